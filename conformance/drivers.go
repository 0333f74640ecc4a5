package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// drivers runs the scenario by every driver.
func (b *bench) drivers(ctx context.Context) error {
	names := []string{
		"php-mysqli", "php-pdo", "python-pymysql", "python-mysqlclient", "perl-dbd-mysql", "perl-dbd-mariadb",
		"node-mysql2", "node-mariadb", "java-mariadb", "go", "mariadb-cli-tcp", "mariadb-cli-socket",
	}
	return b.each(ctx, names, b.readyForLarge, func(name string) client {
		return func(ctx context.Context, e endpoint) (outcome, error) { return b.driver(ctx, e, name) }
	})
}

// readyForLarge is ready, with room for the scenario's largest packets.
func (b *bench) readyForLarge(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		return err
	}
	for _, e := range []endpoint{b.world.Direct, b.world.Proxy} {
		db, err := e.open("")
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "SET GLOBAL max_allowed_packet=67108864")
		_ = db.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// driver runs the scenario by one of them.
func (b *bench) driver(ctx context.Context, e endpoint, name string) (outcome, error) {
	dir := filepath.Join(b.o.Source, "drivers")
	scenario := filepath.Join(dir, "scenario.txt")
	to := []string{loopback, strconv.Itoa(e.Port), appUser, appPassword, appSchema, scenario}
	p := program{Dir: e.Temp(), Timeout: 3 * time.Minute}
	switch name {
	case "php-mysqli":
		p.Args = append([]string{"php", "-n", "-d", "extension=mysqlnd", "-d", "extension=mysqli", "-d", "memory_limit=512M", filepath.Join(dir, "mysqli.php")}, to...)
	case "php-pdo":
		p.Args = append([]string{"php", "-n", "-d", "extension=mysqlnd", "-d", "extension=pdo", "-d", "extension=pdo_mysql", "-d", "memory_limit=512M", filepath.Join(dir, "pdo.php")}, to...)
	case "python-pymysql":
		p.Args = append([]string{"/usr/bin/python3", filepath.Join(dir, "python.py"), "pymysql"}, to...)
	case "python-mysqlclient":
		p.Args = append([]string{"/usr/bin/python3", filepath.Join(dir, "python.py"), "MySQLdb"}, to...)
	case "perl-dbd-mysql":
		p.Args = append([]string{"/usr/bin/perl", filepath.Join(dir, "perl.pl"), "mysql"}, to...)
	case "perl-dbd-mariadb":
		p.Args = append([]string{"/usr/bin/perl", filepath.Join(dir, "perl.pl"), "MariaDB"}, to...)
	case "node-mysql2", "node-mariadb":
		p.Args = append([]string{"node", filepath.Join(dir, "node", "scenario.js"), strings.TrimPrefix(name, "node-")}, to...)
		p.Env = []string{"NODE_PATH=" + filepath.Join(b.o.Cache, "node", "node_modules")}
	case "java-mariadb":
		p.Args = append([]string{"java", "-cp", "/usr/share/java/mariadb-java-client.jar", filepath.Join(dir, "Scenario.java")}, to...)
	case "go":
		return b.goDriver(ctx, e, scenario)
	case "mariadb-cli-tcp", "mariadb-cli-socket":
		script, err := cliScript(scenario)
		if err != nil {
			return outcome{}, err
		}
		p.Args = []string{
			"mariadb", "--no-defaults", "--user=" + appUser, "--password=" + appPassword, "--force", "--table", "--show-warnings", "--column-type-info",
			"--default-character-set=utf8mb4", "--max-allowed-packet=64M", "--comments", appSchema,
		}
		if name == "mariadb-cli-tcp" {
			p.Args = append(p.Args, "--host="+loopback, "--port="+strconv.Itoa(e.Port))
		} else {
			p.Args = append(p.Args, "--socket="+e.Socket)
		}
		p.Stdin = script
	default:
		return outcome{}, fmt.Errorf("there is no driver %q", name)
	}
	return p.run(ctx)
}

// readScenario returns the steps of the scenario, cut into fields.
func readScenario(file string) ([][]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var steps [][]string
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && line[0] != '#' {
			steps = append(steps, strings.Split(line, "\t"))
		}
	}
	return steps, nil
}

// cliScript turns the scenario into SQL: prepared steps become EXECUTE IMMEDIATE.
func cliScript(file string) ([]byte, error) {
	steps, err := readScenario(file)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("delimiter $$\n")
	for _, f := range steps {
		if f[0] == "Q" {
			b.WriteString(f[1] + "$$\n")
			continue
		}
		values, rows := f[2:], 1
		if f[0] == "B" {
			if rows, err = strconv.Atoi(f[2]); err != nil {
				return nil, err
			}
			values = f[3:]
		}
		width := len(values) / rows
		for i := range rows {
			using := ""
			for k, p := range values[i*width : (i+1)*width] {
				using += []string{" USING ", ", "}[min(k, 1)] + literal(p)
			}
			fmt.Fprintf(&b, "EXECUTE IMMEDIATE %s%s$$\n", quoteText(f[1]), using)
		}
	}
	return []byte(b.String()), nil
}

// literal returns a parameter of the scenario as SQL.
func literal(p string) string {
	kind, value, _ := strings.Cut(p, ":")
	switch kind {
	case "s":
		return quoteText(value)
	case "x":
		return "x'" + value + "'"
	case "r":
		count, char, _ := strings.Cut(value, ":")
		return "REPEAT(" + quoteText(char) + "," + count + ")"
	case "n":
		return "NULL"
	}
	return value
}
