# Text processing in Perl: hashes, regular expressions, sorting, closures, formats. Usage: text.pl FILE
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

open my $file, '<:encoding(UTF-8)', $ARGV[0] or die "$ARGV[0]: $!";
my (%count, %pairs, %by_path, %index, @lines);
while (my $line = <$file>) {
    chomp $line;
    push @lines, $line if $. % 5 == 0;
    if ($line =~ m{^([\d.]+) - - \[(\d+)-(\d+)-(\d+)\] "GET ([^?]*)\?id=(\d+)&q=(\w+) HTTP/1\.1" (\d+) (\d+)$}) {
        push @{ $by_path{$5}{"$2-$3"} }, { ip => $1, id => $6, word => $7, status => $8, size => $9 };
        next;
    }
    my @words = split /\W+/, $line;
    $count{$_}++ for @words;
    $pairs{"$words[$_] $words[$_ + 1]"}++ for 0 .. $#words - 1;
    push @{ $index{ substr $_, 0, 3 } }, $. for @words;
}
close $file;

for my $path (sort keys %by_path) {
    for my $month (sort keys %{ $by_path{$path} }) {
        my @hits = @{ $by_path{$path}{$month} };
        my ($size, %ips) = (0);
        $size += $_->{size}, $ips{ $_->{ip} }++ for @hits;
        my ($largest) = sort { $b->{size} <=> $a->{size} || $a->{ip} cmp $b->{ip} || $a->{id} <=> $b->{id} } @hits;
        printf "%-20s %s %7d hits %6d addresses %11d bytes, largest %s\n",
            $path, $month, scalar @hits, scalar keys %ips, $size, join ' ', map { $largest->{$_} } sort keys %$largest;
    }
}

my @frequent = (sort { $pairs{$b} <=> $pairs{$a} || $a cmp $b } keys %pairs)[0 .. 19];
print "$_: $pairs{$_}\n" for @frequent;
print scalar(keys %count), " words, ", scalar(keys %pairs), " pairs, ", scalar(keys %index), " prefixes\n";

my $text = join "\n", @lines;
$text =~ s/\b(\w)(\w*)\b/\U$1\E$2/g;
$text =~ s/(\d+)/sprintf '%x', $1/ge;
$text =~ tr/aeiou/eioua/;
print sha256_hex(join '|', reverse split /[\s.]+/, $text), "\n";

my @closures = map { my $n = $_; sub { $n * shift() } } 1 .. 50_000;
my $sum = 0;
$sum += $closures[$_]->($_) for 0 .. $#closures;
my %numbers = map { $_ => [ $_ x 3, { square => $_ * $_ } ] } 1 .. 50_000;
delete @numbers{ grep { $_ % 3 } keys %numbers };
print "$sum ", scalar(keys %numbers), " ", $numbers{300}[1]{square}, "\n";
