import { Module } from '@nestjs/common';
import { AccountsService } from './accounts.service.js';
import { UserLoader } from './user-loader.js';
import { UsersService } from './users.service.js';

@Module({
  providers: [UserLoader, UsersService, AccountsService],
  exports: [UserLoader, UsersService, AccountsService],
})
export class UsersModule {}
