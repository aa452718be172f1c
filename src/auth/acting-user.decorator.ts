import { actingUserSchema } from './acting-user.schema.js';
import { optionalHeader } from './parameter.decorators.js';

export const ActingUser = optionalHeader(
  'X-Acting-User',
  actingUserSchema,
  'The user or operator that the caller acts for, for the audit trail. It is the caller’s claim and is not verified.',
);
