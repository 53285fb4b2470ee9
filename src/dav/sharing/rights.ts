import { type Ace, ace } from "../../acl/ace.ts";
import type { Privilege } from "../../model/privilege.ts";
import type { ShareAccess } from "../../sharing/invitations.ts";
import type { CollectionKind } from "../../store/contract.ts";
import { ownAces } from "../acl.ts";
import type { Services } from "../registry.ts";
import type { Shape } from "../resource.ts";

type Granted = ReadonlySet<Privilege>;

const reading: readonly Privilege[] = ["read", "read-free-busy", "read-current-user-privilege-set"];
const writing: readonly Privilege[] = ["write", "write-properties", "write-content", "bind", "unbind"];

/** The most that an invitation gives. Name, colour and the like of the calendar are the sharee's own, so he sets them whatever
 *  his access (caldav-sharing §5.5.3); what belongs to a member is the owner's. */
const bounds: Readonly<Record<ShareAccess, { readonly calendar: Granted; readonly member: Granted }>> = {
  read: { calendar: new Set([...reading, "write-properties"]), member: new Set(reading) },
  "read-write": { calendar: new Set([...reading, ...writing]), member: new Set([...reading, ...writing]) },
};

/** What somebody may do in a shared calendar who holds these rights on the sharee's link: the sharee himself all that the invitation
 *  gives, his delegates as much of it as he lets them. */
export const sharedRights = (held: Granted, access: ShareAccess, member: boolean): Granted =>
  intersection(held, bounds[access][member ? "member" : "calendar"]);

/** All that an invitation gives in the members of a calendar. */
export const sharedBounds = (access: ShareAccess): Granted => bounds[access].member;

/** What both hold. */
export const intersection = (some: Granted, others: Granted): Granted =>
  new Set([...some].filter((privilege) => others.has(privilege)));

const everybody: Ace = ace({ kind: "all" }, true, ["all"]);

/** The denials that stand on the owner's resource itself, before one ACE that grants all: what they leave is what they do not deny. */
export const ownDenials = async (
  resource: Shape<CollectionKind | "object" | "file">,
  services: Services,
): Promise<readonly Ace[]> => [...(await ownAces(resource, services)).filter(({ grant }) => !grant), everybody];
