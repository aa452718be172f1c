import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '../openapi/swagger.js';
import { ApiProblems } from '../openapi/api-problems.decorator.js';
import { type User, userAnswerSchema } from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';
import { RequiresUser } from './requires-user.decorator.js';
import { UserId } from './user-id.decorator.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(private readonly users: UsersService) {}

  @Get('me')
  @RequiresUser()
  @ApiOperation({ operationId: 'getMe', summary: 'The user whose access token this is' })
  @ApiOkResponse({ description: 'The user', standardSchema: userAnswerSchema })
  @ApiProblems('USER_NOT_FOUND')
  async me(@UserId() userId: string): Promise<{ user: User }> {
    return { user: await this.users.get(userId) };
  }
}
