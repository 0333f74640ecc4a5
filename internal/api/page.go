package api

import (
	"embed"
	"net/http"
	"path"
)

// The page: plain HTML, CSS and ES modules, served as they stand. It reads the
// API as anybody may, and changes nothing.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load from this node and from nowhere else, and run
// nothing that is written into it (Content Security Policy Level 3).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func pageTypes() map[string]string {
	return map[string]string{
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".svg":  "image/svg+xml",
	}
}

// pageRoutes adds the page and its files.
func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, "index.html") })
	mux.HandleFunc("GET /page/{file}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, r.PathValue("file")) })
}

func servePage(w http.ResponseWriter, r *http.Request, file string) {
	kind, known := pageTypes()[path.Ext(file)]
	text, err := pageFiles.ReadFile("page/" + path.Base(file))
	if err != nil || !known {
		writeProblem(w, newProblem(http.StatusNotFound, ProblemNotFound, "GET %s: the page has no such file", r.URL.Path))
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	_, _ = w.Write(text) // the client has gone; nobody to tell
}
