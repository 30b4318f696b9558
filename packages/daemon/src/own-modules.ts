const SCOPE = '@berth/';
const packages = new URL('../../', import.meta.url).href;

/**
 * URL of a module of this checkout, named by one of its modules: by a relative path ending in `.ts`, or as the root of
 * a package. Undefined for what only Node can resolve. Says the same as Node, without asking the file system.
 */
export function resolveOwnModule(specifier: string, parentUrl: string | undefined): string | undefined {
  if (!parentUrl?.startsWith(packages) || parentUrl.includes('/node_modules/', packages.length)) return undefined;
  if (specifier.startsWith('.')) return specifier.endsWith('.ts') ? new URL(specifier, parentUrl).href : undefined;
  if (!specifier.startsWith(SCOPE)) return undefined;
  const name = specifier.slice(SCOPE.length);
  return /^[a-z-]+$/.test(name) ? `${packages}${name}/src/index.ts` : undefined;
}
