#!/bin/bash
# Lays out Apache Kafka 4.3.1 with its console tools under compat/target/kafka-home: libs/ (jars, by Maven from
# Maven Central, or linked from $KAFKA_LIBS when that is set), bin/kafka-*.sh, and classes/ (our own Java helpers).
# Prints the directory. Cheap when everything is already there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$(cd "$here/.." && pwd)/target/kafka-home
mkdir -p "$home/bin" "$home/config" "$home/classes"

if [ -n "${KAFKA_LIBS:-}" ] && [ ! -e "$home/libs" ]; then
  ln -sfn "$KAFKA_LIBS" "$home/libs"
elif [ ! -L "$home/libs" ] && ! cmp -s "$here/kafka-home.pom.xml" "$home/libs/pom.xml"; then
  # Nothing there yet, or what an older list of jars named.
  rm -rf "$home/libs.part"
  mvn -q -B -f "$here/kafka-home.pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$home/libs.part" -DincludeScope=runtime >"$home/mvn.log" 2>&1 \
    || { echo "kafka-home.sh: Maven could not fetch Kafka's jars:" >&2; tail -20 "$home/mvn.log" >&2; exit 1; }
  cp "$here/kafka-home.pom.xml" "$home/libs.part/pom.xml"
  rm -rf "$home/libs"
  mv "$home/libs.part" "$home/libs"
fi

cat >"$home/config/log4j2.properties" <<'L'
rootLogger.level=${sys:kafka.loglevel:-WARN}
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.target=SYSTEM_ERR
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m (%c)%n
L

cat >"$home/bin/kafka-run-class.sh" <<L
#!/bin/bash
exec java \${KAFKA_HEAP_OPTS:--Xmx256m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \${KAFKA_OPTS:-} \\
  -Dlog4j2.configurationFile="$home/config/log4j2.properties" -cp "$home/libs/*" "\$@"
L
grep -v '^#' "$here/kafka-tools.txt" | while read -r tool class; do
  printf '#!/bin/bash\nexec "$(dirname "$0")/kafka-run-class.sh" %s "$@"\n' "$class" >"$home/bin/$tool.sh"
done
chmod +x "$home"/bin/*.sh

for source in "$here"/*.java; do
  if [ "$source" -nt "$home/classes/$(basename "$source" .java).class" ]; then
    javac -nowarn -cp "$home/libs/*" -d "$home/classes" "$source"
  fi
done
echo "$home"
