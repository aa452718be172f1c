"""Reads, creates, changes and deletes a user with the client of openapi-python-client."""

import json
import os

from openapi_client import AuthenticatedClient
from openapi_client.api.users import create_user, delete_user, get_user, update_user
from openapi_client.models import CreateUser, UpdateUser

client = AuthenticatedClient(
    os.environ["URL"], os.environ["API_KEY"], prefix="", auth_header_name="X-API-Key"
)
read = get_user.sync("12345", client=client).user
created = create_user.sync(client=client, body=CreateUser("grace@example.com", "Grace")).user
changed = update_user.sync(created.id, client=client, body=UpdateUser(name="Grace Hopper")).user
delete_user.sync_detailed(created.id, client=client)
problem = get_user.sync(created.id, client=client)
print(json.dumps([read.email, created.name, changed.name, problem.code]))
