import { z } from 'zod';
import type { BackendClient } from '../backend/backend-client.js';
import { displayName, displayText } from './display-text.js';
import { defineTool } from './tool.js';
import { requireFields, requirePermission } from './user-requirements.js';

const profileSchema = z.object({
  name: z.string(),
  email: z.string(),
  phone: z.string().nullable().describe('In E.164 format.'),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  createdAt: z.string().describe('ISO 8601, UTC.'),
  lastLoginAt: z.string().nullable().describe('ISO 8601, UTC.'),
});

export const getProfile = (backend: BackendClient) =>
  defineTool({
    name: 'get_profile',
    title: 'User profile',
    description: 'Shows the user’s own profile: name, email, phone, roles and permissions.',
    scope: 'profile:read',
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({}),
    output: profileSchema.extend({
      source: z
        .enum(['backend', 'fallback'])
        .describe('"fallback": the user service is unavailable and all fields are placeholders.'),
    }),
    async run(_args, { userId }, options) {
      const user = await backend.getUserDetails(userId, options);
      requireFields(user, profileSchema.keyof().options);
      requirePermission(user, 'read');
      const { phone, createdAt, lastLoginAt, source } = user;
      const profile = {
        name: displayName(user),
        // An email address has at most 254 characters.
        email: displayText(user.email, 254),
        phone: phone === null ? null : displayText(phone),
        roles: user.roles.map((role) => displayText(role)),
        permissions: user.permissions.map((permission) => displayText(permission)),
      };
      return {
        message:
          source === 'fallback'
            ? 'The user service is unavailable: this is placeholder data, not the user’s profile.'
            : `This is the profile of ${profile.name}.`,
        structured: { ...profile, createdAt, lastLoginAt, source },
      };
    },
  });
