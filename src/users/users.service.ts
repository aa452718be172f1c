import { Injectable } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import { ProblemException } from '../http/problem.js';
import {
  isForeignKeyViolation,
  isRecordNotFound,
  violatedUniqueIndex,
} from '../prisma/database-error.js';
import { PrismaService } from '../prisma/prisma.service.js';
import { UserLookups, type UserText } from './user-lookups.js';
import {
  type CreateUser,
  type ListUsers,
  type SearchUsers,
  type UpdateUser,
  type User,
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

/** A page of users. */
export interface UserTextPage {
  readonly users: readonly UserText[];
  readonly nextCursor: string | null;
}

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
    // Made by our own statement: to check it again would take longer than to read it.
    return JSON.parse(await this.getText(id));
  }

  /** Users by `ids`, in the order asked for and without those that don't exist; or a page of all, by id. */
  async list({ ids, limit, cursor }: ListUsers): Promise<UserTextPage> {
    if (ids === undefined) return this.page({}, limit, cursor);
    const found = await Promise.all(Array.from(new Set(ids), (id) => this.findIfAny(id)));
    return { users: found.flat(), nextCursor: null };
  }

  /** A page of the users with an email or a phone. */
  async search({ limit, cursor, email, phone }: SearchUsers): Promise<UserTextPage> {
    return this.page({ email, phone }, limit, cursor);
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

  private async findIfAny(id: string): Promise<UserText[]> {
    const text = await this.lookups.find(id);
    return text === undefined ? [] : [{ id, text }];
  }

  private async page(
    criterion: Pick<SearchUsers, 'email' | 'phone'>,
    limit: number,
    cursor = '',
  ): Promise<UserTextPage> {
    // One more than asked for tells whether there is a next page.
    const found = await this.lookups.findAfter(cursor, limit + 1, criterion);
    const users = found.slice(0, limit);
    const last = users.at(-1);
    return { users, nextCursor: found.length > limit && last ? encodeCursor(last.id) : null };
  }
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
