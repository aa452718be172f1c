// Whoever installs says where from: a host in the repository would send them, and their token, elsewhere.
const HOST =
  /(?:^|[^\w.])(?:registry|npm|packages?)\.[\w-]+(?:\.[\w-]+)*\.?(?:com|org|io|net|dev|cloud)\b|\bnpmjs\.(?:com|org)\b/i;
const SETTING = /(?:^|\s)(?:@[\w-]+:)?registry\s*=/;

/** Lines that name the host of a package registry. */
export function findRegistryHosts(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      HOST.test(line) || (path.endsWith('npmrc') && SETTING.test(line))
        ? [`${path}:${index + 1} names a package registry`]
        : [],
    );
}
