import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { delegatesPath } from "../directory/delegates.ts";
import { tokensFile } from "../scheduling/mail/configured.ts";
import { type Command, operandsOf } from "./command.ts";
import { tableText } from "./table.ts";

export const backupCommand: Command = {
  name: "backup",
  operands: ["[--paths]"],
  about: "what to back up, and what need not be",
  help: `The scope of a backup: the configuration and the files that it names, and the data
store with extended attributes. Any tool will do that keeps those, while the server
runs:

  rsync -aX --exclude='.db.sqlite*' --exclude=.staging DOCUMENTROOT/ backup:/calendars/
  caladmin backup --paths | tar --xattrs --exclude='.db.sqlite*' -czf backup.tar.gz -T -

Indexes (.db.sqlite) are made again. The delegate database cannot be; beside it lie
copies of each day (delegates-DATE.json), which are whole whenever they are copied.
To restore, copy back and start; a delegate database that is lost or torn is made
from a copy with caladmin delegates import --new.

  --paths   only the paths that are in the scope, one a line
`,
  options: { paths: { type: "boolean" } },
  async run(call) {
    operandsOf(call, 0);
    const config = await call.config();
    const database = await delegatesPath({ documentRoot: config.DocumentRoot, dataRoot: config.DataRoot });
    const files: readonly (readonly [string, string])[] = [
      ["the configuration", call.configFile],
      ["accounts", config.DirectoryService.type === "xml" ? config.DirectoryService.params.xmlFile : ""],
      ["sudoers", config.SudoersFile],
      ["certificate", config.SSLCertificate],
      ["private key", config.SSLPrivateKey],
      ["certificate chain", config.SSLAuthorityChain],
      ["reply addresses of invitations by mail", tokensFile(config)],
    ];
    const wanted = [
      ...files.filter(([, path]) => path !== "" && existsSync(path)),
      ["the data store, with extended attributes", config.DocumentRoot] as const,
      // That of version 2 lies elsewhere.
      ...(dirname(database).startsWith(config.DocumentRoot) ? [] : [["delegates", database] as const]),
    ];
    if (call.flag("paths")) {
      call.print(wanted.map(([, path]) => `${path}\n`).join(""));
      return 0;
    }
    const rows = [
      ...wanted.map(([what, path]) => ["yes", path, what]),
      ["no", `${config.DocumentRoot}/**/.db.sqlite*`, "indexes: made again from the files"],
      ["no", `${config.DocumentRoot}/.staging`, "files being written"],
      ["no", config.DataRoot, "the server's own work files"],
    ];
    call.print(tableText({ columns: ["backup", "path", "what"], rows }, call.format));
    return 0;
  },
};
