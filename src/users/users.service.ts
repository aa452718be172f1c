import { Injectable } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { ProblemException } from '../http/problem.js';
import {
  isForeignKeyViolation,
  isRecordNotFound,
  violatedUniqueIndex,
} from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { UserLookups } from './user-lookups.js';
import {
  type CreateUser,
  type ListUsers,
  type SearchUsers,
  type UpdateUser,
  type User,
  type UserPage,
  encodeCursor,
} from './user.schemas.js';

// The fields of `User`, and no others: what is not selected can't be answered by mistake.
const SELECTED = {
  id: true,
  email: true,
  name: true,
  phone: true,
  roles: true,
  permissions: true,
  createdAt: true,
  lastLoginAt: true,
} as const satisfies Prisma.UserSelect;

type UserRow = Prisma.UserGetPayload<{ select: typeof SELECTED }>;

/** Users of the database. Every method throws a `ProblemException` for what the caller got wrong. */
@Injectable()
export class UsersService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly lookups: UserLookups,
  ) {}

  /**
   * A user as JSON text.
   * @throws ProblemException `USER_NOT_FOUND`
   */
  async getText(id: string): Promise<string> {
    const text = await this.lookups.find(id);
    if (text === undefined) throw new ProblemException('USER_NOT_FOUND');
    return text;
  }

  /** @throws ProblemException `USER_NOT_FOUND` */
  async get(id: string): Promise<User> {
    return parseUser(await this.getText(id));
  }

  /** Users by `ids`, in the order asked for and without those that don't exist; or a page of all, by id. */
  async list({ ids, limit, cursor }: ListUsers): Promise<UserPage> {
    if (ids === undefined) return this.page({}, limit, cursor);
    const texts = await Promise.all(Array.from(new Set(ids), (id) => this.lookups.find(id)));
    return { users: texts.flatMap((text) => (text ? parseUser(text) : [])), nextCursor: null };
  }

  /** A page of the users with an email or a phone. */
  async search({ limit, cursor, ...where }: SearchUsers): Promise<UserPage> {
    return this.page(where, limit, cursor);
  }

  /** @throws ProblemException `USER_ID_TAKEN`, `EMAIL_TAKEN` */
  async create(user: CreateUser): Promise<User> {
    return rejectTaken(async () =>
      toUser(
        await this.prisma.user.create({
          data: { roles: [], permissions: [], ...user },
          select: SELECTED,
        }),
      ),
    );
  }

  /** @throws ProblemException `USER_NOT_FOUND`, `EMAIL_TAKEN` */
  async update(id: string, changes: UpdateUser): Promise<User> {
    return rejectTaken(async () => {
      try {
        return toUser(
          await this.prisma.user.update({ where: { id }, data: changes, select: SELECTED }),
        );
      } catch (error) {
        if (isRecordNotFound(error)) throw new ProblemException('USER_NOT_FOUND');
        throw error;
      }
    });
  }

  /** @throws ProblemException `USER_NOT_FOUND`, `USER_HAS_ACCOUNTS` */
  async delete(id: string): Promise<void> {
    try {
      await this.prisma.user.delete({ where: { id }, select: { id: true } });
    } catch (error) {
      if (isRecordNotFound(error)) throw new ProblemException('USER_NOT_FOUND');
      if (isForeignKeyViolation(error)) throw new ProblemException('USER_HAS_ACCOUNTS');
      throw error;
    }
  }

  private async page(where: Prisma.UserWhereInput, limit: number, cursor = ''): Promise<UserPage> {
    const rows = await this.prisma.user.findMany({
      where: { ...where, id: { gt: cursor } },
      orderBy: { id: 'asc' },
      // One more than asked for tells whether there is a next page.
      take: limit + 1,
      select: SELECTED,
    });
    const users = rows.slice(0, limit).map(toUser);
    const last = users.at(-1);
    return { users, nextCursor: rows.length > limit && last ? encodeCursor(last.id) : null };
  }
}

// Made by our own statement: to check it again would take longer than to read it.
function parseUser(text: string): User {
  return JSON.parse(text);
}

function toUser(row: UserRow): User {
  return {
    ...row,
    createdAt: row.createdAt.toISOString(),
    lastLoginAt: row.lastLoginAt?.toISOString() ?? null,
  };
}

async function rejectTaken<Result>(write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    const index = violatedUniqueIndex(error);
    if (index === 'users_pkey') throw new ProblemException('USER_ID_TAKEN');
    if (index === 'users_email_key') throw new ProblemException('EMAIL_TAKEN');
    throw error;
  }
}
