import { Controller } from '@nestjs/common';
import { ApiTags } from '../openapi/swagger.js';
import { currentUserResponseSchema } from '../users/user.schemas.js';
import { UsersService } from '../users/users.service.js';
import { UserId } from './parameter.decorators.js';
import { Route } from './route.decorator.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(private readonly users: UsersService) {}

  @Route('GET', 'me', 'user', {
    summary: 'Get the current user',
    description: 'Returns the user of the access token, with all fields.',
    response: currentUserResponseSchema,
    problems: ['USER_NOT_FOUND'],
  })
  async getMe(@UserId() userId: string): Promise<string> {
    return `{"user":${await this.users.get(userId)}}`;
  }
}
