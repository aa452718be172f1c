import { isGoodKey } from '../../../../../lib/api-key';
import { prisma } from '../../../../../lib/prisma';

export async function GET(
  request: Request,
  { params }: { params: Promise<{ id: string }> },
): Promise<Response> {
  if (!isGoodKey(request.headers.get('x-api-key'))) {
    return Response.json({ error: 'Invalid or missing API key' }, { status: 401 });
  }
  const { id } = await params;
  const user = await prisma.user.findUnique({ where: { id } });
  if (user === null) return Response.json({ error: 'User not found' }, { status: 404 });
  return Response.json({ user });
}
