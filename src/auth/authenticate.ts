import { HttpError, type HttpRequest } from "../http/message.ts";
import type { Principal } from "../model/principal.ts";
import { decodeHeader } from "./digest-header.ts";
import type { Accounts, AuthScheme, Identity } from "./scheme.ts";

export interface Authenticated {
  /** Whose rights the request has. Undefined: nobody has signed in. */
  readonly user: Principal | undefined;
  /** The name signed in with: a user's short name, or the sudoer that acts as `user`; "" for nobody. */
  readonly authenticatedAs: string;
}

export interface Authenticator {
  /** Finds out who asks, and writes it to `request.log.user`. No Authorization header: nobody, and access is for the ACLs to
   *  decide. Throws HttpError: 401 with a challenge of each scheme for wrong credentials and unknown schemes; 400 and 403 as
   *  the rules of X-Authorize-As say. */
  authenticate(request: HttpRequest): Promise<Authenticated>;
  /** The 401 for a request that somebody must sign in for. */
  unauthorized(request: HttpRequest, stale?: AuthScheme): HttpError;
}

export interface AuthenticatorOptions {
  readonly accounts: Accounts;
  /** In the order of the challenges: the stronger first, for clients that take the first they know. */
  readonly schemes: readonly AuthScheme[];
}

const nobody: Authenticated = { user: undefined, authenticatedAs: "" };

export function authenticator({ accounts, schemes }: AuthenticatorOptions): Authenticator {
  const byName = new Map(schemes.map((scheme) => [scheme.name.toLowerCase(), scheme]));

  const unauthorized = (request: HttpRequest, stale?: AuthScheme): HttpError =>
    new HttpError(
      401,
      schemes.length === 0 ? "Nobody can sign in here: no method is switched on." : "You must sign in.",
      {
        "www-authenticate": schemes.map((scheme) => scheme.challenge(request, scheme === stale)),
      },
    );

  /** Rules of the original: a sudoer must say as whom, may not act as a sudoer, and nobody else may act as anybody. */
  const actingAs = async (name: string, target: string | undefined): Promise<Principal> => {
    // Node joins repeated headers with a comma.
    if (target === undefined || target === "" || target.includes(","))
      throw new HttpError(400, `${name} must say once, by X-Authorize-As, as which user to act.`);
    if (await accounts.isSudoer(target))
      throw new HttpError(403, `${name} cannot act as ${target}, who is a sudoer too.`);
    const user = await accounts.user(target);
    if (user === undefined) throw new HttpError(403, `There is no user ${target} to act as.`);
    return user;
  };

  const signedIn = new WeakMap<Identity, Authenticated>();

  return {
    unauthorized,
    async authenticate(request) {
      const header = request.headers["authorization"];
      if (header === undefined) return nobody;
      const space = header.indexOf(" ");
      const scheme = byName.get(space < 0 ? header.toLowerCase() : header.slice(0, space).toLowerCase());
      if (scheme === undefined) throw unauthorized(request);
      const answer = scheme.authenticate(space < 0 ? "" : header.slice(space + 1), request);
      const verdict = answer instanceof Promise ? await answer : answer;
      if (verdict === "refused") throw unauthorized(request);
      if (verdict === "stale") throw unauthorized(request, scheme);

      const asked = request.headers["x-authorize-as"];
      if (verdict.kind === "principal") {
        const { principal } = verdict;
        request.log.user = principal.shortName;
        if (asked !== undefined) throw new HttpError(403, `${principal.shortName} may not act as somebody else.`);
        let result = signedIn.get(verdict);
        if (result === undefined) {
          result = { user: principal, authenticatedAs: principal.shortName };
          signedIn.set(verdict, result);
        }
        return result;
      }
      request.log.user = verdict.name;
      const user = await actingAs(verdict.name, asked === undefined ? undefined : decodeHeader(asked).trim());
      request.log.user = `"${verdict.name} as ${user.shortName}"`;
      return { user, authenticatedAs: verdict.name };
    },
  };
}
