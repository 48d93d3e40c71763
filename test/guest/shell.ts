/** @returns the word, quoted for a POSIX shell */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** @returns the lines of a shell script that set the variables. @throws RangeError if a name is not a shell variable's */
export function shellAssignments(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new RangeError(`'${name}' is not the name of a shell variable`);
      return `${name}=${shellQuote(value)}\n`;
    })
    .join('');
}
