import type { Config } from "../../config/schema.ts";
import { MailChannel, type MailServices } from "./channel.ts";
import { mailConfigured } from "./configured.ts";
import { MailRoom, type RoomServices } from "./room.ts";

/** Everything that invitations by mail need. */
export interface Mail {
  readonly channel: MailChannel;
  /** Begins to receive, if the configuration says how. Answers how to end it. */
  receive(services: Omit<RoomServices, keyof MailServices>): () => Promise<void>;
}

/** Opens what the configuration says; undefined when invitations by mail are switched off. Throws an Error with a sentence for what
 *  cannot work. */
export function openMail(config: Config, services: MailServices): Mail | undefined {
  const mail = mailConfigured(config);
  if (mail === undefined) return undefined;
  const { settings, room } = mail;
  return {
    channel: new MailChannel(settings, services),
    receive: (more) => {
      if (room === undefined) return () => Promise.resolve();
      const open = new MailRoom(room, { ...services, ...more });
      open.start();
      return () => open.close();
    },
  };
}
