import { HttpError, type HttpRequest } from "../http/message.ts";
import type { Principal } from "../model/principal.ts";
import { decodeHeader } from "./digest-header.ts";
import type { Accounts, AuthScheme, Identity } from "./scheme.ts";

export interface Authenticated {
  /** Whose rights the request has. Undefined: nobody has signed in. */
  readonly user: Principal | undefined;
  /** The name signed in with: a user's short name, or the sudoer that acts as `user`; "" for nobody. */
  readonly authenticatedAs: string;
  /** Of the answer, whatever its status: what the scheme has to tell the client. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface Authenticator {
  /** Finds out who asks, and writes it to `request.log.user`. No Authorization header: nobody, and access is for the ACLs to
   *  decide. Throws HttpError: 401 with a challenge of each scheme for wrong credentials and unknown schemes; 400 and 403 as
   *  the rules of X-Authorize-As say. */
  authenticate(request: HttpRequest): Promise<Authenticated>;
  /** The "no" for a request that somebody must sign in for: 401 with a challenge of each scheme that this connection is offered,
   *  or 403 where there is none (RFC 9110 §15.5.2 wants a challenge in every 401). */
  unauthorized(request: HttpRequest): HttpError;
}

export interface AuthenticatorOptions {
  readonly accounts: Accounts;
  /** In the order of the challenges: the stronger first, for clients that take the first they know. */
  readonly schemes: readonly AuthScheme[];
}

const nobody: Authenticated = { user: undefined, authenticatedAs: "" };

export function authenticator({ accounts, schemes }: AuthenticatorOptions): Authenticator {
  // As nearly all write it, and as anybody may.
  const byName = new Map(
    schemes.flatMap((scheme) => [
      [scheme.name, scheme],
      [scheme.name.toLowerCase(), scheme],
    ]),
  );

  const challenges = (request: HttpRequest, stale?: AuthScheme, useless?: AuthScheme): HttpError => {
    const offered = schemes
      .filter((scheme) => scheme !== useless && scheme.offered(request))
      .map((scheme) => scheme.challenge(request, scheme === stale));
    if (offered.length > 0) return new HttpError(401, "You must sign in.", { "www-authenticate": offered });
    // What cannot be of use is better than a 401 without any.
    if (useless !== undefined) return challenges(request);
    return new HttpError(
      403,
      schemes.length === 0
        ? "Nobody can sign in here: no method is switched on."
        : "Nobody can sign in on this connection, since passwords would be readable on it: please use https.",
    );
  };
  const unauthorized = (request: HttpRequest): HttpError => challenges(request);

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
      const word = space < 0 ? header : header.slice(0, space);
      const scheme = byName.get(word) ?? byName.get(word.toLowerCase());
      if (scheme === undefined) throw unauthorized(request);
      if (!scheme.offered(request)) {
        scheme.unwanted?.(request);
        throw unauthorized(request);
      }
      const answer = scheme.authenticate(space < 0 ? "" : header.slice(space + 1), request);
      const verdict = answer instanceof Promise ? await answer : answer;
      if (verdict === "refused") throw unauthorized(request);
      if (verdict === "stale") throw challenges(request, scheme);
      if (verdict === "useless") throw challenges(request, undefined, scheme);

      const { identity } = verdict;
      const asked = request.headers["x-authorize-as"];
      if (identity.kind === "principal") {
        const { principal } = identity;
        request.log.user = principal.shortName;
        if (asked !== undefined) throw new HttpError(403, `${principal.shortName} may not act as somebody else.`);
        if (identity.readOnly === true && !reading.has(request.method))
          throw new HttpError(403, "This app password may read only.");
        if (verdict.headers !== undefined)
          return { user: principal, authenticatedAs: principal.shortName, headers: verdict.headers };
        let result = signedIn.get(identity);
        if (result === undefined) {
          result = { user: principal, authenticatedAs: principal.shortName };
          signedIn.set(identity, result);
        }
        return result;
      }
      request.log.user = identity.name;
      const user = await actingAs(identity.name, asked === undefined ? undefined : decodeHeader(asked).trim());
      request.log.user = `"${identity.name} as ${user.shortName}"`;
      return { user, authenticatedAs: identity.name, headers: verdict.headers };
    },
  };
}

/** Methods that change nothing. */
const reading = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"]);
