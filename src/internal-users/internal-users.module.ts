import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { UsersModule } from '../users/users.module.js';
import { InternalUsersController } from './internal-users.controller.js';

@Module({ imports: [AuthModule, UsersModule], controllers: [InternalUsersController] })
export class InternalUsersModule {}
