export function readDatabaseUrl(): string;
export function withoutPassword(url: string): string;
