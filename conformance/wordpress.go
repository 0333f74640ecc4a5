package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const wordpressConfig = `<?php
define('DB_NAME', 'wordpress'); define('DB_USER', '@USER@'); define('DB_PASSWORD', '@PASSWORD@');
define('DB_HOST', '127.0.0.1:@PORT@'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_HOME', 'http://blog.test'); define('WP_SITEURL', 'http://blog.test');
define('DISABLE_WP_CRON', true); define('WP_HTTP_BLOCK_EXTERNAL', true); define('AUTOMATIC_UPDATER_DISABLED', true);
foreach (['AUTH_KEY','SECURE_AUTH_KEY','LOGGED_IN_KEY','NONCE_KEY','AUTH_SALT','SECURE_AUTH_SALT','LOGGED_IN_SALT','NONCE_SALT'] as $k) { define($k, 'conformance-' . $k); }
$table_prefix = 'wp_';
define('WP_DEBUG', true); define('WP_DEBUG_DISPLAY', true);
define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
`

// wordpress installs WordPress, logs in, writes, comments, searches and deletes,
// as a browser would, and looks at what is in the tables afterwards; of the ring,
// on the second master too.
func (b *bench) wordpress(ctx context.Context) error {
	return b.each(ctx, []string{"use"}, b.ready, func(string) client {
		return func(ctx context.Context, e endpoint) (outcome, error) {
			site, err := b.startSite(ctx, e)
			if err != nil {
				return outcome{}, err
			}
			defer site.stop()
			err = site.use(ctx)
			if err == nil {
				err = b.siteTables(ctx, site)
			}
			status := "exit 0"
			if err != nil {
				status = "failed"
				fmt.Fprintf(&site.said, "%v\n", err)
			}
			return outcome{Output: site.said.Bytes(), Errors: site.log.Bytes(), Status: status}, nil
		}
	})
}

// site is a WordPress that runs.
type site struct {
	e      endpoint
	dir    string
	php    *exec.Cmd
	log    bytes.Buffer // of PHP's server
	client *http.Client
	said   bytes.Buffer // what counts
}

// startSite unpacks WordPress and starts PHP's own web server on it.
func (b *bench) startSite(ctx context.Context, e endpoint) (*site, error) {
	dir, err := os.MkdirTemp(b.o.Work, "sqlring-wp-")
	if err != nil {
		return nil, err
	}
	s := &site{e: e, dir: dir}
	if err := copyTree(filepath.Join(b.o.Cache, "wordpress"), "usr/share/wordpress", dir); err != nil {
		return s, err
	}
	config := strings.NewReplacer("@USER@", appUser, "@PASSWORD@", appPassword, "@PORT@", strconv.Itoa(e.Port)).Replace(wordpressConfig)
	if err := os.WriteFile(filepath.Join(dir, "wp-config.php"), []byte(config), 0o600); err != nil {
		return s, err
	}
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		return s, err
	}
	addr := l.Addr().String()
	_ = l.Close()
	s.php = exec.CommandContext(ctx, "php", "-d", "sendmail_path=/bin/true", "-S", addr, "-t", dir)
	s.php.Stdout, s.php.Stderr = &s.log, &s.log
	s.php.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.php.Start(); err != nil {
		return s, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return s, err
	}
	s.client = &http.Client{
		Jar: jar, Timeout: time.Minute,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialUntil(ctx, addr)
		}},
	}
	db, err := e.open("")
	if err != nil {
		return s, err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, "CREATE DATABASE wordpress CHARACTER SET utf8mb4")
	return s, err
}

// dialUntil dials a server that may still be starting.
func dialUntil(ctx context.Context, addr string) (net.Conn, error) {
	var last error
	for range 50 {
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn, nil
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	return nil, last
}

func (s *site) stop() {
	if s.php != nil && s.php.Process != nil {
		_ = syscall.Kill(-s.php.Process.Pid, syscall.SIGKILL)
		_ = s.php.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// copyTree copies a directory of an unpacked package; links to absolute paths are
// followed inside of it, and left out if they lead to another package.
func copyTree(root, from, to string) error {
	return filepath.WalkDir(filepath.Join(root, from), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(filepath.Join(root, from), path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if d.Type()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			source := filepath.Join(filepath.Dir(path), link)
			if filepath.IsAbs(link) {
				source = filepath.Join(root, link)
			}
			info, err := os.Stat(source)
			switch {
			case err != nil:
				return nil
			case info.IsDir():
				inside, err := filepath.Rel(root, source)
				if err != nil {
					return err
				}
				return copyTree(root, inside, target)
			}
			path = source
		} else if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
}

var (
	tags      = regexp.MustCompile(`(?s)<style.*?</style>|<[^>]*>`)                             //nolint:gochecknoglobals // a constant
	pageTitle = regexp.MustCompile(`(?s)<title>(.*?)</title>`)                                  //nolint:gochecknoglobals // a constant
	pageFault = regexp.MustCompile(`(?i)(wordpress database error|fatal error|warning:)[^\n]*`) //nolint:gochecknoglobals // a constant
)

// get fetches a page and notes its status, title and any error on it.
func (s *site) get(ctx context.Context, path string) ([]byte, error) {
	return s.send(ctx, http.MethodGet, path, "", nil)
}

func (s *site) post(ctx context.Context, path string, form url.Values) ([]byte, error) {
	return s.send(ctx, http.MethodPost, path, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

func (s *site) send(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://blog.test"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	return s.do(request)
}

func (s *site) do(request *http.Request) ([]byte, error) {
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	title := ""
	if m := pageTitle.FindSubmatch(page); m != nil {
		title = strings.TrimSpace(string(m[1]))
	}
	fmt.Fprintf(&s.said, "%s %s: %d, title %q\n", request.Method, request.URL.Path, response.StatusCode, title)
	for _, fault := range pageFault.FindAll(page, 5) {
		fmt.Fprintf(&s.said, "  %s\n", fault)
	}
	if err == nil && response.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("%s: %d: %.600s", request.URL, response.StatusCode, tags.ReplaceAll(page, nil))
	}
	return page, err
}

// use does what an author and a reader do.
func (s *site) use(ctx context.Context) error {
	const user, secret = "author", "conformance-author"
	_, err := s.get(ctx, "/wp-admin/install.php")
	if err == nil {
		_, err = s.post(ctx, "/wp-admin/install.php?step=2", url.Values{
			"weblog_title": {"Grüße ☃"}, "user_name": {user}, "admin_password": {secret}, "admin_password2": {secret}, "pw_weak": {"on"},
			"admin_email": {"author@blog.test"}, "blog_public": {"0"}, "Submit": {"Install WordPress"}, "language": {""},
		})
	}
	if err == nil {
		_, err = s.get(ctx, "/wp-login.php")
	}
	if err == nil {
		_, err = s.post(ctx, "/wp-login.php", url.Values{"log": {user}, "pwd": {secret}, "wp-submit": {"Log In"}, "testcookie": {"1"}, "redirect_to": {"http://blog.test/wp-admin/profile.php"}})
	}
	if err != nil {
		return err
	}
	nonce, err := s.get(ctx, "/wp-admin/admin-ajax.php?action=rest-nonce")
	if err != nil {
		return err
	}
	var ids []int
	for i := range 12 {
		id, err := s.rest(ctx, nonce, "/wp/v2/posts", map[string]any{
			"title": fmt.Sprintf("Post %d 𝄞", i), "content": strings.Repeat("Some text with 'quotes' and \\ and ☃. ", 50*(i+1)), "status": "publish",
		})
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, id := range ids[:6] {
		form := url.Values{"comment": {fmt.Sprintf("A comment on %d", id)}, "comment_post_ID": {strconv.Itoa(id)}, "comment_parent": {"0"}, "submit": {"Post Comment"}}
		if _, err := s.post(ctx, "/wp-comments-post.php", form); err != nil {
			return err
		}
	}
	for _, path := range []string{
		"/", "/?p=" + strconv.Itoa(ids[3]), "/?s=quotes", "/?feed=rss2", "/wp-admin/", "/wp-admin/edit.php", "/wp-admin/edit-comments.php",
		"/wp-admin/options-general.php", "/?rest_route=/wp/v2/posts&per_page=5", "/?m=202611", "/?author=1", "/?p=999999",
	} {
		if _, err := s.get(ctx, path); err != nil {
			return err
		}
	}
	_, err = s.rest(ctx, nonce, "/wp/v2/posts/"+strconv.Itoa(ids[0]), map[string]any{"title": "Changed"})
	return errors.Join(err, s.trash(ctx, nonce, ids[1]))
}

// rest sends JSON to the REST interface and returns the id of what it made.
func (s *site) rest(ctx context.Context, nonce []byte, route string, body any) (int, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://blog.test/?rest_route="+route, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-WP-Nonce", string(bytes.TrimSpace(nonce)))
	page, err := s.do(request)
	if err != nil {
		return 0, err
	}
	var made struct {
		ID int `json:"id"`
	}
	if err := json.Unmarshal(page, &made); err != nil || made.ID == 0 {
		return 0, fmt.Errorf("%s: no id in %.300s", route, page)
	}
	fmt.Fprintf(&s.said, "  id %d\n", made.ID)
	return made.ID, nil
}

func (s *site) trash(ctx context.Context, nonce []byte, id int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://blog.test/?rest_route=/wp/v2/posts/"+strconv.Itoa(id), nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-WP-Nonce", string(bytes.TrimSpace(nonce)))
	_, err = s.do(request)
	return err
}

// siteTables notes what is in the tables, apart from times and secrets; through
// the proxy, it compares every table of the two masters.
func (b *bench) siteTables(ctx context.Context, s *site) error {
	db, err := s.e.open("wordpress")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var tables []string
	if err := each(ctx, db, "SHOW TABLES", func(row []string) { tables = append(tables, row[0]) }); err != nil {
		return err
	}
	for _, query := range []string{
		"SELECT ID, post_author, post_title, post_content, post_status, post_name, post_parent, guid, post_type, comment_count FROM wp_posts ORDER BY ID",
		"SELECT comment_ID, comment_post_ID, comment_author, comment_content, comment_approved, user_id FROM wp_comments ORDER BY comment_ID",
		"SELECT * FROM wp_terms ORDER BY 1", "SELECT * FROM wp_term_taxonomy ORDER BY 1", "SELECT * FROM wp_term_relationships ORDER BY 1, 2",
		"SELECT umeta_id, user_id, meta_key FROM wp_usermeta WHERE meta_key<>'session_tokens' ORDER BY 1",
		"SELECT option_name, autoload FROM wp_options WHERE option_name NOT LIKE '%transient%' ORDER BY 1",
	} {
		fmt.Fprintln(&s.said, query)
		if err := each(ctx, db, query, func(row []string) { fmt.Fprintf(&s.said, "%.300q\n", row) }); err != nil {
			return err
		}
	}
	fmt.Fprintf(&s.said, "%d tables %v\n", len(tables), tables)
	if s.e.Name == "proxy" {
		if err := b.sameOnBoth(ctx, tables); err != nil {
			return err
		}
	}
	fmt.Fprintln(&s.said, "every master has the same")
	return nil
}

// sameOnBoth compares tables of the two masters once the second has caught up.
func (b *bench) sameOnBoth(ctx context.Context, tables []string) error {
	if err := b.world.caughtUp(ctx, 30*time.Second); err != nil {
		return err
	}
	var sums [2]map[string]string
	for i, m := range b.world.members {
		db, err := endpoint{Socket: m.Socket}.open("wordpress")
		if err != nil {
			return err
		}
		sums[i] = map[string]string{}
		err = each(ctx, db, "CHECKSUM TABLE "+strings.Join(tables, ", "), func(row []string) { sums[i][row[0]] = row[1] })
		_ = db.Close()
		if err != nil {
			return err
		}
	}
	for table, sum := range sums[0] {
		if sums[1][table] != sum || sum == "NULL" {
			return fmt.Errorf("table %s differs between the masters: %s, %s", table, sum, sums[1][table])
		}
	}
	return nil
}
