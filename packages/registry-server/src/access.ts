import { createHmac, randomBytes } from 'node:crypto';
import type { Exchange, Handler, Headers, Route } from '@berth/http';
import { fault } from './faults.ts';
import { type Passwords, plainPasswords, same } from './passwords.ts';

/** Who may do what. */
export interface AccessOptions {
  /** Passwords by user name, or what checks them (see `openHtpasswd`); every user may do everything. */
  readonly users: Readonly<Record<string, string>> | Passwords;
  /** True: nobody needs a name to pull. */
  readonly anonymousPull?: boolean;
  /**
   * Bearer tokens from a token service of this server (`/token`) instead of HTTP basic authentication. The realm is made
   * of the Host header that a request came with.
   */
  readonly tokens?: { readonly lifeMs: number };
  /** Whether clients come by TLS, for the realm. */
  readonly secure?: boolean;
}

/** What a request is allowed. */
export interface Access {
  /** Throws `unauthorized`, with the challenge to answer with in `details.headers`. */
  check(exchange: Exchange, needed: Scope | undefined): Promise<void>;
  readonly routes: readonly Route[];
}

export interface Scope {
  readonly repository: string;
  readonly action: 'pull' | 'push' | 'delete';
}

interface Claims {
  readonly user: string;
  /** `repository:name:pull,push`. */
  readonly scopes: readonly string[];
  /** Milliseconds since 1970; undefined never. */
  readonly until?: number;
  readonly kind: 'access' | 'refresh';
}

const SERVICE = 'berth-registry';

/** Tokens are claims signed with a key that lives as long as the process. */
const createSigner = () => {
  const key = randomBytes(32);
  const signatureOf = (text: string): string => createHmac('sha256', key).update(text).digest('base64url');
  return {
    sign(claims: Claims): string {
      const text = Buffer.from(JSON.stringify(claims)).toString('base64url');
      return `${text}.${signatureOf(text)}`;
    },
    open(token: string): Claims | undefined {
      const [text = '', signature = ''] = token.split('.');
      if (!same(signature, signatureOf(text))) return undefined;
      const claims = JSON.parse(Buffer.from(text, 'base64url').toString()) as Claims;
      return claims.until !== undefined && claims.until < Date.now() ? undefined : claims;
    },
  };
};

const basicUser = (header: string | undefined): readonly [string, string] | undefined => {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
};

const allows = (scopes: readonly string[], { repository, action }: Scope): boolean =>
  scopes.some((scope) => {
    const found = /^repository:([^:]+):(.*)$/.exec(scope);
    return found?.[1] === repository && (found[2] ?? '').split(',').some((each) => each === action || each === '*');
  });

const isPasswords = (users: AccessOptions['users']): users is Passwords => typeof users['check'] === 'function';

export function createAccess(options: AccessOptions): Access {
  const { users, anonymousPull = false, tokens } = options;
  const signer = createSigner();

  const passwords = isPasswords(users) ? users : plainPasswords(users);

  const login = async (name: string, password: string): Promise<string | undefined> =>
    (await passwords.check(name, password)) ? name : undefined;

  const unauthorized = (challenge: string, message = 'authentication required'): Error =>
    fault('UNAUTHORIZED', message, undefined, { 'WWW-Authenticate': challenge });

  const isFree = (needed: Scope | undefined): boolean => anonymousPull && needed?.action === 'pull';

  const checkBasic = async (exchange: Exchange, needed: Scope | undefined): Promise<void> => {
    if (isFree(needed) && exchange.headers.authorization === undefined) return;
    const given = basicUser(exchange.headers.authorization);
    if (given === undefined || (await login(...given)) === undefined) throw unauthorized('Basic realm="registry"');
  };

  const realmOf = ({ headers }: Exchange): string =>
    `http${options.secure === true ? 's' : ''}://${(headers.host ?? 'localhost').replaceAll('"', '')}/token`;

  const checkToken = async (exchange: Exchange, needed: Scope | undefined): Promise<void> => {
    const token = /^Bearer (\S+)$/i.exec(exchange.headers.authorization ?? '')?.[1];
    const claims = token === undefined ? undefined : signer.open(token);
    const allowed =
      claims?.kind === 'access' && (needed === undefined ? claims.user !== '' : allows(claims.scopes, needed));
    if (allowed) return;
    const scope = needed === undefined ? '' : `,scope="repository:${needed.repository}:${needed.action}"`;
    const error =
      claims === undefined ? (token === undefined ? '' : ',error="invalid_token"') : ',error="insufficient_scope"';
    throw unauthorized(`Bearer realm="${realmOf(exchange)}",service="${SERVICE}"${scope}${error}`);
  };

  /** What a user gets of what was asked for. */
  const grant = (user: string, asked: readonly string[]): readonly string[] =>
    asked
      .slice(0, 20)
      .flatMap((scope) => scope.split(' '))
      .filter((scope) => /^repository:[^:]{1,255}:[a-z*,]+$/.test(scope))
      .flatMap((scope) => {
        if (user !== '') return [scope];
        return anonymousPull ? [scope.replace(/:[^:]*$/, ':pull')] : [];
      });

  const answer = async (
    exchange: Exchange,
    user: string,
    asked: readonly string[],
    offline: boolean,
  ): Promise<void> => {
    const lifeMs = tokens?.lifeMs ?? 0;
    const token = signer.sign({ kind: 'access', user, scopes: grant(user, asked), until: Date.now() + lifeMs });
    const refresh = offline && user !== '' ? { refresh_token: signer.sign({ kind: 'refresh', user, scopes: [] }) } : {};
    const times = { expires_in: lifeMs / 1000, issued_at: new Date().toISOString() };
    await exchange.reply.json(200, { token, access_token: token, ...times, ...refresh }, NO_STORE);
  };

  const wrong = (): Error => unauthorized('Basic realm="registry"', 'incorrect username or password');

  const get: Handler = async (exchange) => {
    const given = basicUser(exchange.headers.authorization);
    const user = given === undefined ? '' : await login(...given);
    if (user === undefined || (user === '' && !anonymousPull)) throw wrong();
    const offline = exchange.query.get('offline_token') === 'true';
    await answer(exchange, user, exchange.query.getAll('scope'), offline);
  };

  const post: Handler = async (exchange) => {
    const form = new URLSearchParams(Buffer.from(await exchange.body.bytes({ limit: 65_536 })).toString());
    const asked = form.getAll('scope');
    const user =
      form.get('grant_type') === 'password'
        ? await login(form.get('username') ?? '', form.get('password') ?? '')
        : await userOfRefresh(form.get('refresh_token') ?? '');
    if (user === undefined) throw wrong();
    await answer(exchange, user, asked, form.get('access_type') === 'offline');
  };

  const userOfRefresh = async (token: string): Promise<string | undefined> => {
    const claims = signer.open(token);
    return claims?.kind === 'refresh' && (await passwords.knows(claims.user)) ? claims.user : undefined;
  };

  return {
    check: tokens === undefined ? checkBasic : checkToken,
    routes:
      tokens === undefined
        ? []
        : [
            { method: 'GET', pattern: '/token', handler: get },
            { method: 'POST', pattern: '/token', handler: post },
          ],
  };
}

const NO_STORE: Headers = { 'Cache-Control': 'no-store' };
