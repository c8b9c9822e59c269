package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
)

// SAMLConfigs keeps the identity providers that tenants' users log in with.
type SAMLConfigs interface {
	Get(ctx context.Context, tenant uuid.UUID) (identity.SAMLConfig, error)
	Metadata(ctx context.Context, tenant uuid.UUID) ([]byte, error)
	Create(ctx context.Context, tenant uuid.UUID, in identity.SAMLConfigChange) (identity.SAMLConfig, error)
	Update(ctx context.Context, tenant uuid.UUID, in identity.SAMLConfigChange) error
	Delete(ctx context.Context, tenant uuid.UUID) error
}

func (s *server) samlConfigRoutes() []route {
	return []route{
		{method: "GET", path: "/backends/saml", access: "auth.backends.saml.read", authorized: s.getSAMLConfig, plugin: "saml_config"},
		{method: "POST", path: "/backends/saml", access: "auth.backends.saml.create", authorized: s.createSAMLConfig, plugin: "saml_config"},
		{method: "PUT", path: "/backends/saml", access: "auth.backends.saml.update", authorized: s.updateSAMLConfig, plugin: "saml_config"},
		{method: "DELETE", path: "/backends/saml", access: "auth.backends.saml.delete", authorized: s.deleteSAMLConfig, plugin: "saml_config"},
		{method: "GET", path: "/backends/saml/metadata", access: "auth.backends.saml.read", authorized: s.getSAMLMetadata, plugin: "saml_config"},
		{method: "GET", path: "/backends/saml/acs_url_template", access: "auth.backends.saml.read", authorized: s.getACSURLTemplate, plugin: "saml_config"},
	}
}

// samlConfigFields are in the order of backends.md section 9; those of a change are optional.
func samlConfigFields(required bool) []field {
	return []field{
		{name: "domain_uuid", required: required, read: sized(36, 38)},
		{name: "entity_id", required: required, read: sized(1, 512)},
		{name: "tenant_uuid", read: sized(36, 38)}, // checked, and otherwise ignored
		{name: "acs_url", required: required, read: sized(1, 512)},
	}
}

var newSAMLConfig, samlConfigChange = samlConfigFields(true), samlConfigFields(false)

// samlConfigBody reads a form and checks its fields, then its file: a complaint in the words of the interface, or none.
func (s *server) samlConfigBody(c *gin.Context, tenant uuid.UUID, table []field, fileRequired bool) (in identity.SAMLConfigChange, err error) {
	f, err := readForm(c, s.MaxBody)
	if err != nil {
		return in, err
	}
	body := make(map[string]any, len(f.values))
	for name, v := range f.values {
		body[name] = v
	}
	values, failed := check(body, table)
	if len(failed.names) > 0 {
		message, details := failed.lead()
		return in, fault.Modern(fault.Invalid, "invalid-list-param", "users", message, details)
	}
	in.Domain, in.EntityID, in.ACSURL = textOrNil(values, "domain_uuid"), textOrNil(values, "entity_id"), textOrNil(values, "acs_url")
	file, sent := f.files["metadata"]
	switch {
	case !sent && fileRequired:
		return in, identity.BadSAMLConfig(tenant, "No metadata file provided")
	case !sent:
		return in, nil
	case file.name == "":
		return in, identity.BadSAMLConfig(tenant, "Empty metadata file provided")
	}
	if err := s.SAML.CheckXML(file.text); err != nil {
		return in, identity.BadSAMLConfig(tenant, "Invalid XML ("+err.Error()+")")
	}
	in.Metadata = file.text
	return in, nil
}

func samlConfigView(c identity.SAMLConfig) gin.H {
	return gin.H{"domain_uuid": c.Domain, "entity_id": c.EntityID, "tenant_uuid": c.Tenant, "acs_url": c.ACSURL}
}

func (s *server) getSAMLConfig(c *gin.Context, who *caller) {
	tenant, err := s.scope(c.Request.Context(), c, who)
	var found identity.SAMLConfig
	if err == nil {
		found, err = s.SAMLConfigs.Get(c.Request.Context(), tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, samlConfigView(found))
}

func (s *server) createSAMLConfig(c *gin.Context, who *caller) {
	tenant, err := s.scope(c.Request.Context(), c, who)
	var in identity.SAMLConfigChange
	if err == nil {
		in, err = s.samlConfigBody(c, tenant, newSAMLConfig, true)
	}
	var made identity.SAMLConfig
	if err == nil {
		made, err = s.SAMLConfigs.Create(c.Request.Context(), tenant, in)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, samlConfigView(made))
}

func (s *server) updateSAMLConfig(c *gin.Context, who *caller) {
	tenant, err := s.scope(c.Request.Context(), c, who)
	var in identity.SAMLConfigChange
	if err == nil {
		in, err = s.samlConfigBody(c, tenant, samlConfigChange, false)
	}
	if err == nil {
		err = s.SAMLConfigs.Update(c.Request.Context(), tenant, in)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{})
}

func (s *server) deleteSAMLConfig(c *gin.Context, who *caller) {
	tenant, err := s.scope(c.Request.Context(), c, who)
	if err == nil {
		err = s.SAMLConfigs.Delete(c.Request.Context(), tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	noContent(c)
}

func (s *server) getSAMLMetadata(c *gin.Context, who *caller) {
	tenant, err := s.scope(c.Request.Context(), c, who)
	var text []byte
	if err == nil {
		text, err = s.SAMLConfigs.Metadata(c.Request.Context(), tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Content-Disposition", "attachment")
	c.Data(http.StatusOK, "application/xml", text)
}

func (s *server) getACSURLTemplate(c *gin.Context, _ *caller) {
	writeJSON(c, http.StatusOK, gin.H{"acs_url": s.ACSURLTemplate})
}
