import { z } from 'zod';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export const timestampSchema = z.iso
  .datetime({ error: 'must be an ISO 8601 time in UTC' })
  .meta({ example: '2026-01-15T10:30:00.000Z' });
