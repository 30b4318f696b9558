/** Makes a value at the first call and gives the same one ever after. */
export const memoize = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};
