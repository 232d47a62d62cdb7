// SPDX-License-Identifier: Apache-2.0
// The whole words in which a bad Pod is refused: the API server's.
#include "../fixture.h"

#define POD(rest) "{" rest "}"
#define ONE "'containers':[{'name':'c','image':'i:1'"

#define EXEC "{'exec':{'command':['x']}"
#define LIVE(probe) POD(ONE ",'livenessProbe':" probe "}]")

static const struct {
    const char *spec;
    const char *says; /* the whole text */
} cases[] = {
    {POD(ONE "},{'name':'c','image':'i'}]"), "spec.containers[1].name: Duplicate value: \"c\""},
    {POD("'initContainers':[{'name':'c','image':'i'}]," ONE "}]"),
     "spec.containers[0].name: Duplicate value: \"c\""},
    {POD(ONE ",'volumeMounts':[{'name':'v','mountPath':'/x'}]}]"),
     "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
    {POD(ONE ",'volumeDevices':[{'name':'v','devicePath':'/dev/x'}]}]"),
     "spec.containers[0].volumeDevices[0].name: Not found: \"v\""},
    {POD(ONE ",'volumeDevices':[{'name':'v','devicePath':'/dev/x'}]}],'volumes':[{'name':'v',"
             "'emptyDir':{}}]"),
     "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source "
     "type of PersistentVolumeClaim or Ephemeral for block mode"},
    {POD(ONE ",'volumeMounts':[{'name':'v','mountPath':'/x'},{'name':'v','mountPath':'/x'}]}],"
             "'volumes':[{'name':'v','emptyDir':{}}]"),
     "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique"},
    {POD(ONE ",'volumeMounts':[{'name':'v','mountPath':'/x','subPath':'a','subPathExpr':'b'}]}"
             "],'volumes':[{'name':'v','emptyDir':{}}]"),
     "spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: subPathExpr and subPath "
     "are mutually exclusive"},
    {POD(ONE ",'volumeMounts':[{'name':'v','mountPath':'/x','mountPropagation':"
             "'Bidirectional'}]}],'volumes':[{'name':'v','emptyDir':{}}]"),
     "spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount "
     "propagation is available only to privileged containers"},
    {POD(ONE ",'env':[{'name':'A','value':'x','valueFrom':{'fieldRef':{'fieldPath':"
             "'metadata.name'}}}]}]"),
     "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when "
     "`value` is not empty"},
    {POD(ONE ",'ports':[{'name':'a','containerPort':1},{'name':'a','containerPort':2}]}]"),
     "spec.containers[0].ports[1].name: Duplicate value"},
    {POD(ONE ",'ports':[{'containerPort':1,'hostPort':9}]},{'name':'d','image':'i','ports':[{"
             "'containerPort':2,'hostPort':9}]}]"),
     "spec.containers[1].ports[0].hostPort: Duplicate value"},
    {POD("'hostNetwork':true," ONE ",'ports':[{'containerPort':1,'hostPort':9}]}]"),
     "spec.containers[0].ports[0].hostPort: Invalid value: must match `containerPort` when "
     "`hostNetwork` is true"},
    {POD(ONE ",'resources':{'limits':{'cpu':'100m'},'requests':{'cpu':'200m'}}}]"),
     "spec.containers[0].resources.requests: Invalid value: must be less than or equal to cpu "
     "limit"},
    {POD(ONE ",'securityContext':{'privileged':true,'allowPrivilegeEscalation':false}}]"),
     "spec.containers[0].securityContext: Invalid value: cannot set "
     "`allowPrivilegeEscalation` to false and `privileged` to true"},
    {POD(ONE ",'securityContext':{'seccompProfile':{'type':'Localhost'}}}]"),
     "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must "
     "be set when seccomp type is Localhost"},
    {POD(ONE "}],'volumes':[{'name':'v'},{'name':'v'}]"),
     "spec.volumes[1].name: Duplicate value: \"v\""},
    {POD(ONE "}],'volumes':[{'name':'v','emptyDir':{},'hostPath':{'path':'/x'}}]"),
     "spec.volumes[0]: Forbidden: may not specify more than 1 volume type"},
    {POD(ONE "}],'volumes':[{'name':'v','hostPath':{'path':'/x/../y'}}]"),
     "spec.volumes[0].hostPath.path: Invalid value: \"/x/../y\": must not contain '..'"},
    {POD(ONE "}],'volumes':[{'name':'v','hostPath':{'path':'/x','type':'Pipe'}}]"),
     "spec.volumes[0].hostPath.type: Unsupported value: \"Pipe\": supported values: "
     "\"DirectoryOrCreate\", \"Directory\", \"FileOrCreate\", \"File\", \"Socket\", "
     "\"CharDevice\", \"BlockDevice\""},
    {POD(ONE "}],'activeDeadlineSeconds':0"),
     "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, "
     "inclusive"},
    {POD(ONE "}],'dnsConfig':{'nameservers':['1.1.1.1','1.1.1.2','1.1.1.3','1.1.1.4']}"),
     "spec.dnsConfig.nameservers: Invalid value: must not have more than 3 nameservers"},
    {POD("'shareProcessNamespace':true,'hostPID':true," ONE "}]"),
     "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID "
     "cannot both be enabled"},
    {POD("'containers':[]"), "spec.containers: Required value"},
    {POD(ONE "}],'resources':{'limits':{'memory':'1Gi'},'requests':{'memory':'2Gi'}}"),
     "spec.resources.requests: Invalid value: must be less than or equal to memory limit"},
    {POD(ONE "}],'resourceClaims':[{'name':'gpu'}]"),
     "spec.resourceClaims: Forbidden: this node does not allocate resources dynamically"},
    {POD(ONE ",'resources':{'claims':[{'name':'gpu'}]}}]"),
     "spec.containers[0].resources.claims: Forbidden: this node does not allocate resources "
     "dynamically"},
    {POD(ONE ",'env':[{'name':'A','valueFrom':{'fileKeyRef':{'key':'k'}}}]}]"),
     "spec.containers[0].env[0].valueFrom.fileKeyRef: Forbidden: this node does not read "
     "environment variables from files"},
    {LIVE("{}"), "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
    {LIVE("{'sleep':{'seconds':1}}"),
     "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
    {LIVE(EXEC ",'tcpSocket':{'port':1}}"),
     "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 "
     "handler type"},
    {LIVE("{'exec':{}}"), "spec.containers[0].livenessProbe.exec.command: Required value"},
    {LIVE("{'httpGet':{'port':0}}"),
     "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and "
     "65535, inclusive"},
    {LIVE("{'httpGet':{'port':'-; rm'}}"),
     "spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"-; rm\": must be no more "
     "than 15 characters a-z, 0-9 and single hyphens, with at least one letter"},
    {LIVE("{'httpGet':{'port':80,'scheme':'FTP'}}"),
     "spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported "
     "values: \"HTTP\", \"HTTPS\""},
    {LIVE("{'httpGet':{'port':80,'host':'a\\r\\nb'}}"),
     "spec.containers[0].livenessProbe.httpGet.host: Invalid value: \"a??b\": must not contain "
     "control characters"},
    {LIVE("{'httpGet':{'port':80,'httpHeaders':[{'name':'a b'}]}}"),
     "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].name: Invalid value: \"a b\": a "
     "valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name')"},
    {LIVE("{'httpGet':{'port':80,'httpHeaders':[{'name':'a','value':'x\\r\\nHost: y'}]}}"),
     "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].value: Invalid value: \"x??Host: "
     "y\": must not contain control characters"},
    {LIVE("{'grpc':{'port':'www'}}"),
     "spec.containers[0].livenessProbe.grpc.port: Invalid value: \"string\": must be of type "
     "integer"},
    {LIVE(EXEC ",'periodSeconds':-1}"),
     "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be between 0 and "
     "2147483647, inclusive"},
    {LIVE(EXEC ",'timeoutSeconds':2147483648}"),
     "spec.containers[0].livenessProbe.timeoutSeconds: Invalid value: 2147483648: must be "
     "between 0 and 2147483647, inclusive"},
    {LIVE(EXEC ",'terminationGracePeriodSeconds':0}"),
     "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must "
     "be "
     "between 1 and 2147483647, inclusive"},
    {LIVE(EXEC ",'successThreshold':2}"),
     "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
    {POD(ONE ",'readinessProbe':" EXEC ",'terminationGracePeriodSeconds':1}}]"),
     "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must "
     "not be set for readinessProbes"},
    {POD(ONE ",'lifecycle':{'preStop':{'sleep':{'seconds':-1}}}}]"),
     "spec.containers[0].lifecycle.preStop.sleep.seconds: Invalid value: -1: must be between 0 "
     "and 2147483647, inclusive"},
    {POD(ONE ",'lifecycle':{'postStart':{'grpc':{'port':1}}}}]"),
     "spec.containers[0].lifecycle.postStart: Required value: must specify a handler type"},
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct pod *pod = NULL;
        struct cor_err err = COR_ERR_NONE;
        struct cor_json *object =
            test_json("{'metadata':{'name':'web','namespace':'default','uid':'u1'}}");
        cor_json_set(object, "spec", test_json(cases[i].spec));
        enum cor_code code = pod_parse(object, &pod, &err);
        if (code != COR_INVALID || strcmp(err.text, cases[i].says) != 0) {
            fail_msg("case %zu: code %d: %s", i, (int)code, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests_name("pod rules", tests, NULL, NULL);
}
