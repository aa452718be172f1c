/** The columns of a user, named like the fields of the response. */
export const USER_COLUMNS =
  'id, email, name, phone, roles, permissions, created_at AS "createdAt", last_login_at AS "lastLoginAt"';

export interface UserRow {
  id: string;
  email: string;
  name: string;
  phone: string | null;
  roles: string[];
  permissions: string[];
  createdAt: Date;
  lastLoginAt: Date | null;
}

const text = { type: 'string' };
const texts = { type: 'array', items: text };

/** The schema from which Fastify compiles a serializer. */
export const userResponseSchema = {
  type: 'object',
  properties: {
    user: {
      type: 'object',
      properties: {
        id: text,
        email: text,
        name: text,
        phone: { type: 'string', nullable: true },
        roles: texts,
        permissions: texts,
        createdAt: { type: 'string', format: 'date-time' },
        lastLoginAt: { type: 'string', format: 'date-time', nullable: true },
      },
    },
  },
};
