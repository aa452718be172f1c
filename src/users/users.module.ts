import { Module } from '@nestjs/common';
import { AccountsService } from './accounts.service.js';
import { UserLookups } from './user-lookups.js';
import { UsersService } from './users.service.js';

@Module({
  providers: [UserLookups, UsersService, AccountsService],
  exports: [UserLookups, UsersService, AccountsService],
})
export class UsersModule {}
