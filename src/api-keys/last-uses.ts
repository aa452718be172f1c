import { Injectable } from '@nestjs/common';
import { PrismaService } from '../prisma/prisma.service.js';

/** When, from where and by which client a key was last used. */
export interface LastUse {
  readonly at: Date;
  /** The caller's address. */
  readonly source: string;
  readonly client: string | null;
}

/** The last use of each key, as `LastUseRecorder` of some process has written it down. */
@Injectable()
export class LastUses {
  constructor(private readonly prisma: PrismaService) {}

  /** Of the keys that were ever used. */
  async find(keyIds: readonly string[]): Promise<Map<string, LastUse>> {
    const rows = await this.prisma.apiKeyUse.findMany({ where: { keyId: { in: [...keyIds] } } });
    return new Map(
      rows.map(({ keyId, lastUsedAt, source, clientName }) => [
        keyId,
        { at: lastUsedAt, source, client: clientName },
      ]),
    );
  }
}
