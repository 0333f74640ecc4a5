package hook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// errRefused says that a message will never be taken: it is not sent again. The remedy
// is in the hook's configuration.
var errRefused = errors.New("the message is refused")

// laterError is a receiver's word that it takes nothing before some time has passed.
type laterError struct {
	after time.Duration
	err   error
}

func (e laterError) Error() string { return e.err.Error() }
func (e laterError) Unwrap() error { return e.err }

// poster sends JSON by HTTP.
type poster struct {
	url    string
	client *http.Client
}

// newPoster returns a poster to url. Certificates are judged by the authorities of the
// system, or by those in the file ca; there is no way to have them not judged.
func newPoster(target, ca string) (poster, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return poster{}, fmt.Errorf("read the authorities of a hook: %w", err)
		}
		if secure.RootCAs = x509.NewCertPool(); !secure.RootCAs.AppendCertsFromPEM(pem) {
			return poster{}, fmt.Errorf("%s has no certificate in PEM", ca)
		}
	}
	return poster{target, &http.Client{
		Transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig: secure, TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
			MaxIdleConns: 1, MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// postJSON sends v.
func (p poster) postJSON(ctx context.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.post(ctx, body, nil)
}

// post sends body, and returns nil if the answer is of the 200s. Its errors do not
// show the URL: it may be a secret.
func (p poster) post(ctx context.Context, body []byte, headers http.Header) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: its URL can not be used", errRefused)
	}
	r.Header = headers.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "sqlring")
	resp, err := p.client.Do(r)
	if err != nil {
		var in *url.Error
		if errors.As(err, &in) {
			err = in.Err
		}
		return fmt.Errorf("post to %s: %w", place(p.url), err)
	}
	defer resp.Body.Close()
	const most = 64 << 10 // read, so that the connection can be used again
	text, _ := io.ReadAll(io.LimitReader(resp.Body, most))
	return judge(resp, text, place(p.url))
}

func judge(resp *http.Response, text []byte, where string) error {
	const shown = 200
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), shown)]), "?")), " ")
	err := fmt.Errorf("%s answers %s: %s", where, resp.Status, words)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		if seconds, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && seconds > 0 {
			return laterError{time.Duration(seconds) * time.Second, err}
		}
		return err
	}
	return fmt.Errorf("%w: %w", errRefused, err)
}

// place returns what of a URL is no secret: paths, queries and users may be.
func place(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return "an unreadable URL"
	}
	return u.Scheme + "://" + u.Host
}
