export function readDatabaseUrl(name?: string): string;
export function withoutPassword(url: string): string;
