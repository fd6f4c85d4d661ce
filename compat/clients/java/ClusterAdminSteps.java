import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.common.config.ConfigResource;

/** The admin client on the cluster: nodes, features, quorum and broker configs. */
final class ClusterAdminSteps {
    private final Kafka kafka;

    ClusterAdminSteps(Kafka kafka) {
        this.kafka = kafka;
    }

    void add(Map<String, Main.Step> steps) {
        steps.put("describe-cluster", this::describeCluster);
        steps.put("features", this::features);
        steps.put("quorum", this::quorum);
        steps.put("broker-configs", this::brokerConfigs);
    }

    private void describeCluster() throws Exception {
        DescribeClusterResult cluster = kafka.admin.describeCluster();
        Check.equal(List.of(1), cluster.nodes().get().stream().map(node -> node.id()).toList(), "nodes");
        Check.equal(1, cluster.controller().get().id(), "controller");
        Check.equal(22, cluster.clusterId().get().length(), "length of the cluster id");
    }

    private void features() throws Exception {
        FeatureMetadata features = kafka.admin.describeFeatures().featureMetadata().get();
        Set<String> all = Set.of("metadata.version", "group.version", "transaction.version", "kraft.version", "share.version", "streams.version", "eligible.leader.replicas.version");
        Check.that(features.supportedFeatures().keySet().containsAll(all), "supported: " + features.supportedFeatures());
        Check.equal((short) 30, features.finalizedFeatures().get("metadata.version").maxVersionLevel(), "metadata.version (4.3-IV0)");
        Check.that(features.finalizedFeaturesEpoch().orElse(-1L) >= 0, "epoch " + features.finalizedFeaturesEpoch());
    }

    private void quorum() throws Exception {
        QuorumInfo quorum = kafka.admin.describeMetadataQuorum().quorumInfo().get();
        Check.equal(1, quorum.leaderId(), "leader");
        Check.equal(List.of(1), quorum.voters().stream().map(QuorumInfo.ReplicaState::replicaId).toList(), "voters");
        Check.that(quorum.highWatermark() > 0, "high watermark " + quorum.highWatermark());
        Check.that(quorum.voters().get(0).logEndOffset() >= quorum.highWatermark(), "log end offset " + quorum.voters());
        Check.equal(Set.of(1), quorum.nodes().keySet(), "nodes");
    }

    /** A dynamic broker config, set, seen with its source, and taken away again. */
    private void brokerConfigs() throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        String key = "log.cleaner.threads";
        Check.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, describe(broker).get(key).source(), "source before");
        alter(broker, new AlterConfigOp(new ConfigEntry(key, "2"), AlterConfigOp.OpType.SET));
        Check.eventually("the new value", () -> describe(broker).get(key).value().equals("2"));
        Check.equal(ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG, describe(broker).get(key).source(), "source of the new value");
        alter(broker, new AlterConfigOp(new ConfigEntry(key, null), AlterConfigOp.OpType.DELETE));
        Check.eventually("the default again", () -> describe(broker).get(key).value().equals("1"));
        Check.equal(true, describe(broker).get("node.id").isReadOnly(), "node.id is read-only");
        Check.equal(ConfigEntry.ConfigSource.STATIC_BROKER_CONFIG, describe(broker).get("node.id").source(), "source of node.id");
        Set<ConfigResource> resources = kafka.admin.listConfigResources(Set.of(ConfigResource.Type.BROKER), new org.apache.kafka.clients.admin.ListConfigResourcesOptions())
            .all().get().stream().collect(Collectors.toSet());
        Check.that(resources.contains(broker), "listed config resources: " + resources);
    }

    private Config describe(ConfigResource resource) throws Exception {
        return kafka.admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private void alter(ConfigResource resource, AlterConfigOp op) throws Exception {
        Collection<AlterConfigOp> ops = List.of(op);
        kafka.admin.incrementalAlterConfigs(Map.of(resource, ops)).all().get();
    }
}
