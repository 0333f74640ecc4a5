package deploy_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/demo"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

type compose struct {
	Services map[string]struct {
		Build struct {
			Context    string `yaml:"context"`
			Dockerfile string `yaml:"dockerfile"`
			Target     string `yaml:"target"`
		} `yaml:"build"`
		Volumes   []string       `yaml:"volumes"`
		Secrets   []string       `yaml:"secrets"`
		Networks  []string       `yaml:"networks"`
		Ports     []string       `yaml:"ports"`
		DependsOn map[string]any `yaml:"depends_on"`
	} `yaml:"services"`
	Secrets  map[string]any `yaml:"secrets"`
	Networks map[string]any `yaml:"networks"`
	Volumes  map[string]any `yaml:"volumes"`
}

// No container engine runs this here: the file is held to YAML, to itself and to
// the Dockerfile, and what the containers run is run without one, below.
func TestComposeFileHoldsTogether(t *testing.T) {
	var c compose
	if err := yaml.Load([]byte(read(t, "docker/docker-compose.yml")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) != 4 {
		t.Fatalf("%d services", len(c.Services))
	}
	dockerfile := read(t, "docker/Dockerfile")
	for name, s := range c.Services {
		file := filepath.Join("docker", s.Build.Context, s.Build.Dockerfile)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(dockerfile, " AS "+s.Build.Target+"\n") {
			t.Errorf("%s: the Dockerfile has no target %q", name, s.Build.Target)
		}
		for _, v := range s.Volumes {
			if _, ok := c.Volumes[strings.Split(v, ":")[0]]; !ok {
				t.Errorf("%s: volume %s is not declared", name, v)
			}
		}
		for _, secret := range s.Secrets {
			if _, ok := c.Secrets[secret]; !ok {
				t.Errorf("%s: secret %s is not declared", name, secret)
			}
		}
		for _, network := range s.Networks {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s: network %s is not declared", name, network)
			}
		}
		for on := range s.DependsOn {
			if _, ok := c.Services[on]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, on)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s to the world", name, p)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY (deploy\S+) `).FindAllStringSubmatch(dockerfile, -1) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("the Dockerfile copies %s: %v", m[1], err)
		}
	}
	if _, err := app.LoadConfig("docker/sqlring.yaml"); err != nil && !strings.Contains(err.Error(), "manager.password") {
		t.Errorf("the node's file: %v", err)
	}
}

// TestMembersOfTheImageBecomeARing runs the entry of the image `member` three
// times, without containers, and makes a ring of what it starts.
func TestMembersOfTheImageBecomeARing(t *testing.T) {
	if testing.Short() && os.Getenv("SQLRING_REQUIRE_SERVERS") != "1" {
		t.Skip("SKIPPED-NO-SERVER: -short leaves out the tests on real servers")
	}
	bin, err := demo.FindBinaries()
	if err != nil {
		if os.Getenv("SQLRING_REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED-NO-SERVER: %v", err)
	}
	home, err := os.MkdirTemp("", "sqlring-") // short: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	write(t, filepath.Join(home, "secret"), "a-password\n")
	request := api.InitRequest{Name: "shop"}
	for i := range 3 {
		name := fmt.Sprintf("m%d", i+1)
		addr := startMember(t, filepath.Join(home, name), filepath.Join(home, "secret"), filepath.Dir(bin.Server))
		request.Members = append(request.Members, api.InitMember{ID: name, Addr: addr})
	}
	client := startImageNode(t, home)
	eventually(t, 20*time.Second, "the ring is ordered", func() error { _, err := client.InitRing(t.Context(), request); return err })
	eventually(t, time.Minute, "the ring is well", func() error {
		st, err := client.Status(t.Context())
		if err == nil && st.Health != api.HealthOK {
			err = fmt.Errorf("%s: %v", st.Health, st.Reasons)
		}
		return err
	})
}

// startMember runs member.sh until the test ends.
func startMember(t *testing.T, dir, secret, sbin string) (addr string) {
	t.Helper()
	for _, sub := range []string{"data", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	addr = mysqltest.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "docker/member.sh") //nolint:noctx // its end is awaited below
	cmd.Env = append(os.Environ(), "DATADIR="+dir+"/data", "RUNDIR="+dir+"/run", "PORT="+port, "HOST=127.0.0.1", "SECRET="+secret, "PATH="+os.Getenv("PATH")+":"+sbin)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its directory is thrown away
		_ = cmd.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("member at %s says:\n%s", addr, text[max(0, len(text)-2000):])
		}
		_ = log.Close()
	})
	eventually(t, time.Minute, "the member at "+addr+" listens", func() error {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return addr
}

// startImageNode runs a node with the image's file, but for its addresses.
func startImageNode(t *testing.T, home string) *api.Client {
	t.Helper()
	text := read(t, "docker/sqlring.yaml")
	for was, is := range map[string]string{
		"/var/lib/sqlring/manager.password": home + "/secret", "dir: /var/lib/sqlring": "dir: " + home + "/n1", "/run/sqlring": home,
		"0.0.0.0:3406": "127.0.0.1:0", "127.0.0.1:8406": "127.0.0.1:0", "127.0.0.1:7406": mysqltest.FreeAddr(t),
	} {
		text = strings.ReplaceAll(text, was, is)
	}
	file := filepath.Join(home, "sqlring.yaml")
	write(t, file, text)
	start(t, build(t), "serve", "--config", file)
	client, err := api.NewClient("unix:" + home + "/api.sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// A secret that would break out of the SQL, or none, is refused before anything
// is made.
func TestMemberRefusesABadSecret(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bad"), "it's\n")
	write(t, filepath.Join(dir, "empty"), "")
	for _, secret := range []string{"bad", "empty", "none"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		cmd := exec.CommandContext(ctx, "sh", "docker/member.sh")
		cmd.Env = slices.Concat(os.Environ(), []string{"DATADIR=" + dir, "RUNDIR=" + dir, "SECRET=" + filepath.Join(dir, secret)})
		out, err := cmd.CombinedOutput()
		cancel()
		if err == nil || !strings.Contains(string(out), "member: ") {
			t.Errorf("secret %s: %v %s", secret, err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bad")); err != nil {
		t.Error("the directory was emptied")
	}
}
