import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.UsersApi;
import org.openapitools.client.model.CreateUser;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.UpdateUser;

/** Reads, creates, changes and deletes a user with the Java client of openapi-generator. */
public class OpenApiGenerator {
  public static void main(String[] args) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(System.getenv("URL"));
    String key = System.getenv("API_KEY");
    client.setRequestInterceptor(request -> request.header("X-API-Key", key));
    UsersApi users = new UsersApi(client);

    var read = users.getUser("12345", null).getUser();
    var created = users.createUser(new CreateUser().email("grace@example.com").name("Grace"), null).getUser();
    var changed = users.updateUser(created.getId(), new UpdateUser().name("Grace Hopper"), null).getUser();
    users.deleteUser(created.getId(), null);
    String code = "";
    try {
      users.getUser(created.getId(), null);
    } catch (ApiException error) {
      code = client.getObjectMapper().readValue(error.getResponseBody(), Problem.class).getCode();
    }
    var results = List.of(read.getEmail(), created.getName(), changed.getName(), code);
    System.out.println(client.getObjectMapper().writeValueAsString(results));
  }
}
