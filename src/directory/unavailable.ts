import { HttpError } from "../http/message.ts";

/** The directory service cannot be asked at the moment, and what is asked for is not remembered: 503 with Retry-After. Never
 *  means that somebody does not exist; nothing may be deleted because of it. */
export class DirectoryUnavailable extends HttpError {
  /** `seconds` until asking again makes sense. */
  constructor(message: string, seconds = 5) {
    super(503, message, { "retry-after": `${Math.max(1, Math.ceil(seconds))}` });
    this.name = "DirectoryUnavailable";
  }
}
