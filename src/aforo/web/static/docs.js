// Swagger UI, from its wheel. The session's CSRF token is added to the requests that are tried out here.
let csrf = "";
fetch("/api/v1/session").then((answer) => answer.json()).then((session) => { csrf = session.csrf; });
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (request.method && request.method !== "GET" && csrf) request.headers["X-CSRF-Token"] = csrf;
    return request;
  },
});
