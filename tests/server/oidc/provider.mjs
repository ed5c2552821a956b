// A certified OpenID provider, which gives programs access tokens for "phoenix". Prints its issuer.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { default: Provider } = await import(createRequire(`${process.argv[2]}/`).resolve("oidc-provider"));

const server = createServer().listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "trainer",
        client_secret: "a-secret-of-the-provider",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:phoenix",
        getResourceServerInfo: () => ({
          scope: "",
          audience: "phoenix",
          accessTokenTTL: 300,
          accessTokenFormat: "jwt",
        }),
      },
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
