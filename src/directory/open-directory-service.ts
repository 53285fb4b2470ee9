import type { Config } from "../config/schema.ts";
import type { DirectoryBackend } from "./backend.ts";
import { openXmlAccounts } from "./xml-accounts.ts";

type Warn = (message: string) => void;
type DirectoryType = Config["DirectoryService"]["type"];

/** One line for each service. */
const services: Partial<Record<DirectoryType, (config: Config, warn: Warn) => Promise<DirectoryBackend>>> = {
  xml: (config, warn) => openXmlAccounts(config.DirectoryService.params.xmlFile, { warn }),
};

/** Opens the directory service that the configuration names. Throws Error with a sentence. */
export async function openDirectoryService(config: Config, warn: Warn): Promise<DirectoryBackend> {
  const { type } = config.DirectoryService;
  const open = services[type];
  if (open === undefined) throw new Error(`DirectoryService.type: ${type} is not supported in this version`);
  return open(config, warn);
}
