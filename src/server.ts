import { randomBytes } from "node:crypto";
import type { Logger } from "./base/log.ts";
import type { Config } from "./config/schema.ts";
import { authenticator } from "./auth/authenticate.ts";
