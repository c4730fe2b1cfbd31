SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: false,
  // No outside service is asked to judge the document.
  validatorUrl: null,
});
