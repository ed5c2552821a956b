/** Shows the API of this server, relative to the page, so that it works behind a prefix. */
SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null });
