import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { User } from '../auth/user.js';
import type { CallOptions } from '../backend/backend-calls.js';
import { BackendClient } from '../backend/backend-client.js';
import { displayName, displayText } from './display-text.js';
import type { Tool, ToolAnswer } from './tool.js';
import { requireFields, requirePermission } from './user-requirements.js';

const inputSchema = z.strictObject({});

const outputSchema = z.object({
  name: z.string(),
  email: z.string(),
  phone: z.string().nullable().describe('E.164, or null.'),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  createdAt: z.string().describe('ISO 8601, UTC.'),
  lastLoginAt: z.string().nullable().describe('ISO 8601, UTC, or null.'),
  source: z
    .enum(['backend', 'fallback'])
    .describe('With "fallback" none of this is real: the user service is unavailable.'),
});

const SHOWN_FIELDS = [
  'name',
  'email',
  'phone',
  'roles',
  'permissions',
  'createdAt',
  'lastLoginAt',
] as const;

@Injectable()
export class GetProfileTool implements Tool<typeof inputSchema, typeof outputSchema> {
  readonly name = 'get_profile';
  readonly title = 'User profile';
  readonly description = 'Shows the user’s own profile: name, email, phone, roles and permissions.';
  readonly scope = 'profile:read';
  readonly annotations = { readOnlyHint: true, openWorldHint: false };
  readonly input = inputSchema;
  readonly output = outputSchema;

  constructor(private readonly backend: BackendClient) {}

  async run(
    _args: z.infer<typeof inputSchema>,
    user: User,
    options: CallOptions,
  ): Promise<ToolAnswer<z.infer<typeof outputSchema>>> {
    const answer = await this.backend.getUserDetails(user.id, options);
    const details = requireFields(answer, SHOWN_FIELDS);
    requirePermission(details, 'read');
    const { phone, createdAt, lastLoginAt, source } = details;
    const profile = {
      name: displayName(details),
      // An email address has 254 characters at the most.
      email: displayText(details.email, 254),
      phone: phone === null ? null : displayText(phone),
      roles: details.roles.map((role) => displayText(role)),
      permissions: details.permissions.map((permission) => displayText(permission)),
    };
    return {
      message:
        source === 'fallback'
          ? 'The user service is unavailable: this is placeholder data, not the user’s profile.'
          : `This is the profile of ${profile.name}.`,
      structured: { ...profile, createdAt, lastLoginAt, source },
    };
  }
}
