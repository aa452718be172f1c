"""Reads, creates, changes and deletes a user with the Python client of openapi-generator."""

import json
import os

from openapi_client import ApiClient, Configuration, CreateUser, Problem, UpdateUser, UsersApi
from openapi_client.exceptions import NotFoundException

configuration = Configuration(host=os.environ["URL"], api_key={"apiKey": os.environ["API_KEY"]})
with ApiClient(configuration) as client:
    users = UsersApi(client)
    read = users.get_user("12345").user
    created = users.create_user(CreateUser(email="grace@example.com", name="Grace")).user
    changed = users.update_user(created.id, UpdateUser(name="Grace Hopper")).user
    users.delete_user(created.id)
    try:
        users.get_user(created.id)
    except NotFoundException as error:
        problem = Problem.from_json(error.body)
print(json.dumps([read.email, created.name, changed.name, problem.code]))
