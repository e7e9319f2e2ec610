// One thing's rules as those of one or more of it. xgrammar 0.1.27 has repetition among its structural tags only where nothing
// else follows and no alternative stands beside; a list of tool calls in brackets has both.
// It reads xgrammar's own notation, in which the root comes last.

/** `separator` stands between two. The root's name is `root`. */
export function repeatedRules(rules: string, separator: string): string {
  const names = new Set([...rules.matchAll(/^(\w+) ::=/gm)].map(([, name]) => name!));
  let one = 'one';
  while (names.has(one)) one += '_';
  // Strings and classes as they are; every other name that reads `root` is a rule's.
  const renamed = rules
    .trimEnd()
    .replace(/"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\broot\b/gsu, (part) => (part === 'root' ? one : part));
  const last = [...names].at(-1);
  const root = last === 'root' ? one : last;
  return `${renamed}\nroot ::= ((${root} (${JSON.stringify(separator)} ${root})*))\n`;
}
