package demo

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// createApplication makes an account and a small schema of a greeting-card site,
// through the proxy, as a DBA would.
func (d *demo) createApplication(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	db, err := d.connect(d.servers[0].RootUser, d.root, "")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{
		"CREATE DATABASE " + appDatabase + " CHARACTER SET utf8mb4",
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", appUser, d.password),
		fmt.Sprintf("GRANT ALL ON %s.* TO '%s'@'%%'", appDatabase, appUser),
		"CREATE TABLE " + appDatabase + `.card (
			id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
			sender VARCHAR(64) NOT NULL, recipient VARCHAR(64) NOT NULL, greeting VARCHAR(255) NOT NULL,
			views INT UNSIGNED NOT NULL DEFAULT 0,
			sent TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)) ENGINE=InnoDB`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// connect returns a pool of connections through the proxy.
func (d *demo) connect(user, password, database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = user, password, "tcp", d.node.ProxyAddr(), database
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = 5*time.Second, 15*time.Second, 15*time.Second
	cfg.InterpolateParams = true
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
