package api

import (
	"bytes"
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

func (s *server) serviceRoutes() []route {
	return []route{
		{method: "HEAD", path: "/status", open: s.status, plugin: "status"},
		{method: "GET", path: "/backends", open: s.listBackends, plugin: "backends"},
		{method: "GET", path: "/api/api.yml", open: s.description, plugin: "api"},
	}
}

// status is 200 whenever the process answers, also while the database is away (section 14); /readyz on the internal
// port knows more.
func (s *server) status(c *gin.Context) {
	c.Writer.Header()["Content-Type"] = contentTypeJSON
	c.Header("Content-Length", "3")
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
}

func (s *server) listBackends(c *gin.Context) { writeJSON(c, http.StatusOK, gin.H{"data": s.Backends}) }

//go:embed api.yml
var apiDescription []byte

// description serves api.yml. Behind a proxy that took a prefix off, its base path and scheme are those outside.
func (s *server) description(c *gin.Context) {
	text := apiDescription
	if prefix := s.scriptName(c); prefix != "" {
		text = bytes.Replace(text, []byte("basePath: /0.1"), []byte("basePath: "+prefix+"/0.1"), 1)
		text = bytes.Replace(text, []byte("schemes: [http]"), []byte("schemes: [https]"), 1)
	}
	c.Data(http.StatusOK, "application/x-yaml", text)
}
