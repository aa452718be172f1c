/** The parts of an engine's error that the CLI shows; the code is Prisma's, such as P1001. */
export interface ErrorDescription {
  message: string;
  code?: string;
}

export function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { message: error.message.trimEnd(), code };
}
