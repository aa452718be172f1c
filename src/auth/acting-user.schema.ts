import { z } from 'zod';

/** A user id, or an operator's account name or email address. */
export const actingUserSchema = z
  .string()
  .regex(/^[A-Za-z0-9_.@+-]{1,64}$/, 'must be 1 to 64 characters of A-Z, a-z, 0-9, _ . @ + and -');
