// Every address is relative to the page, so that it works behind a proxy that takes a prefix off.
SwaggerUIBundle({
  url: '0.1/api/api.yml',
  dom_id: '#viewer',
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  docExpansion: 'none',
  showExtensions: true,
  filter: true,
  validatorUrl: null, // it is a service of others
  persistAuthorization: false,
});
