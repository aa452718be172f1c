import { Injectable } from '@nestjs/common';
import { type ProblemCode, ProblemException } from '../problems/problem.js';
import { violatedConstraint } from '../prisma/database-error.js';
import { UserLookups, type UserText } from './user-lookups.js';
import {
  type CreateUser,
  type ListUsers,
  type SearchUsers,
  type UpdateUser,
  type User,
  encodeCursor,
} from './user.schemas.js';
import { type Author, UserWrites } from './user-writes.js';

/** A page of users. */
export interface UserTextPage {
  readonly users: readonly UserText[];
  readonly nextCursor: string | null;
}

/** Users of the database. Every method throws a `ProblemException` for what the caller got wrong. */
@Injectable()
export class UsersService {
  constructor(
    private readonly lookups: UserLookups,
    private readonly writes: UserWrites,
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

  /**
   * Adds a user and returns its JSON text.
   * @throws ProblemException `USER_ID_TAKEN`, `EMAIL_TAKEN`
   */
  async create(user: CreateUser, author: Author): Promise<string> {
    return explained(this.writes.insert(user, author));
  }

  /**
   * Changes a user and returns its JSON text after the change.
   * @throws ProblemException `USER_NOT_FOUND`, `EMAIL_TAKEN`
   */
  async update(id: string, changes: UpdateUser, author: Author): Promise<string> {
    const text = await explained(this.writes.update(id, changes, author));
    if (text === undefined) throw new ProblemException('USER_NOT_FOUND');
    return text;
  }

  /** @throws ProblemException `USER_NOT_FOUND`, `USER_HAS_ACCOUNTS` */
  async delete(id: string, author: Author): Promise<void> {
    const wasThere = await explained(this.writes.delete(id, author));
    if (!wasThere) throw new ProblemException('USER_NOT_FOUND');
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

const PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  users_pkey: 'USER_ID_TAKEN',
  users_email_key: 'EMAIL_TAKEN',
  accounts_user_id_fkey: 'USER_HAS_ACCOUNTS',
};

/** Maps the violation of a constraint to its problem. */
async function explained<Result>(write: Promise<Result>): Promise<Result> {
  try {
    return await write;
  } catch (error) {
    const code = PROBLEMS[violatedConstraint(error) ?? ''];
    throw code === undefined ? error : new ProblemException(code);
  }
}
