#!/usr/bin/perl
# perl.pl DRIVER HOST PORT USER PASSWORD SCHEMA SCENARIO: the scenario by DBD::mysql or
# DBD::MariaDB, with statements that the server prepares, and with emulated ones.
use strict;
use warnings;
use DBI qw(:sql_types);
use Digest::MD5 qw(md5_hex);
use Encode qw(decode encode);

my ($driver, $host, $port, $user, $password, $schema, $file) = @ARGV;
my $p = lc $driver;
binmode STDOUT, ':raw';

sub show {
    my ($v) = @_;
    return 'undef' unless defined $v;
    my $raw = utf8::is_utf8($v) ? encode('UTF-8', $v) : $v;
    return 'string ' . length($raw) . ' ' . md5_hex($raw) if length($raw) > 200;
    $raw =~ s/([^\x20-\x7e])/sprintf('\\x%02x', ord $1)/ge;
    return (utf8::is_utf8($v) ? 'text ' : 'bytes ') . $raw;
}

sub bind_one {
    my ($sth, $i, $text) = @_;
    my ($kind, $v) = split /:/, $text, 2;
    return $sth->bind_param($i, $v + 0, SQL_INTEGER) if $kind eq 'i';
    return $sth->bind_param($i, $v + 0, SQL_DOUBLE) if $kind eq 'd';
    return $sth->bind_param($i, decode('UTF-8', $v), SQL_VARCHAR) if $kind eq 's';
    return $sth->bind_param($i, pack('H*', $v), SQL_BLOB) if $kind eq 'x';
    if ($kind eq 'r') {
        my ($n, $c) = split /:/, $v;
        return $sth->bind_param($i, $c x $n, SQL_VARCHAR);
    }
    return $sth->bind_param($i, undef);
}

sub sets {
    my ($dbh, $sth) = @_;
    while (1) {
        my $n = 0;
        if ($sth->{NUM_OF_FIELDS}) {
            for my $attribute ('NAME', 'TYPE', 'PRECISION', 'SCALE', 'NULLABLE', "${p}_type_name", "${p}_length", "${p}_is_blob", "${p}_is_num") {
                my $v = $sth->{$attribute};
                print "  $attribute ", join(',', map { $_ // 'undef' } @$v), "\n" if ref $v eq 'ARRAY';
            }
            while (my $row = $sth->fetchrow_arrayref) {
                print '  ', join(' | ', map { show($_) } @$row), "\n" if $n++ < 20;
            }
        }
        my $id = $sth->{"${p}_insertid"} // 'undef';
        my $warnings = $sth->{"${p}_warning_count"} // 'undef';
        print "  $n rows, count ", $sth->rows, " id $id warnings $warnings err ", $sth->err // 'none', "\n";
        last unless $sth->more_results;
    }
}

for my $prepare (0, 1) {
    my $dbh = DBI->connect("DBI:$driver:host=$host;port=$port;database=$schema", $user, $password,
        {RaiseError => 0, PrintError => 0, AutoCommit => 1, "${p}_server_prepare" => $prepare, ($p eq 'mysql' ? (mysql_enable_utf8mb4 => 1) : ())})
        or die "connect: $DBI::errstr\n";
    print "server prepare $prepare, version $dbh->{\"${p}_serverinfo\"} $dbh->{\"${p}_protoinfo\"}\n";
    open my $in, '<:raw', $file or die $!;
    while (my $line = <$in>) {
        chomp $line;
        next if $line eq '' || $line =~ /^#/;
        print "$line\n";
        my @f = split /\t/, $line;
        my $sth = $dbh->prepare(decode('UTF-8', $f[1]));
        if (!$sth) { print '  error ', $dbh->err, ' ', $dbh->state, ' ', show($dbh->errstr), "\n"; next; }
        my @all = @f[($f[0] eq 'B' ? 3 : 2) .. $#f];
        my $width = $f[0] eq 'B' ? @all / $f[2] : scalar @all;
        do {
            my @values = splice @all, 0, $width;
            bind_one($sth, $_ + 1, $values[$_]) for 0 .. $#values;
            if ($sth->execute) { sets($dbh, $sth); }
            else { print '  error ', $sth->err, ' ', $sth->state, ' ', show($sth->errstr), "\n"; }
        } while (@all);
        $sth->finish;
    }
    $dbh->do('DROP PROCEDURE three');
    $dbh->do('DROP FUNCTION twice');
    print 'ping ', $dbh->ping ? 1 : 0, "\n";
    $dbh->disconnect;
}
