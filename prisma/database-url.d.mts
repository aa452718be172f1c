export function readDatabaseUrl(name?: string): string;
export function readMigrationUrl(): string;
export function withoutPassword(url: string): string;
